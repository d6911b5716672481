"""What an exported page costs and how exact it is: size, loading, characters a second, log-probabilities.

    python -m benchmarks.exported_page TEXT [--model MODEL]

TEXT's last 3,000 characters are scored by the page in Chromium and by the library, and by the library with dense
matrices rounded to rows of so many bits, as a page might hold them.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from charnn.bundled import bundled_model
from charnn.export.page import page
from charnn.export.weights import quantized
from charnn.inference.model import Model
from charnn.storage.model_file import ModelFile, model_path, read_model
from charnn.storage.model_tensors import Weight
from charnn.storage.quantized_table import QuantizedTable
from tests.browser import started

CHARS = 3000
LOADS, WRITES = 5, 9
BITS = (8, 16, 24)
_WRITE = """
const [length, done] = arguments;
document.getElementById("length").value = length;
const status = document.getElementById("writing-status");
const begun = performance.now();
let first = null;
new MutationObserver(() => { first ??= performance.now() - begun; }).observe(
  document.getElementById("text"), {childList: true, subtree: true});
new MutationObserver(() => {
  if (/^Wrote/.test(status.textContent)) done([first, performance.now() - begun]);
}).observe(status, {childList: true});
document.getElementById("write").click();
"""


def rounded(stored: ModelFile, bits: int) -> ModelFile:
    """The model with its dense matrices in rows of so many bits, a scale each."""

    def one(weight: Weight) -> Weight:
        if isinstance(weight, QuantizedTable):
            return weight
        values, scales = quantized(weight if weight.ndim == 2 else weight[:, None], (1 << bits - 1) - 1)
        return (values * scales[:, None]).astype(np.float32).reshape(weight.shape)

    return replace(stored, weights={name: one(weight) for name, weight in stored.weights.items()})


def nats(stored: ModelFile, text: str) -> Any:
    return Model.of(stored).score(text, unknown="skip").surprisal_bits * np.log(2)


def figures(stored: ModelFile, size: int, text: str, folder: Path) -> Iterator[tuple[str, str]]:
    """What is measured, in words."""
    path = folder / "page.html"
    path.write_bytes(b"".join(page(stored, "benchmark")))
    yield "size", f"{path.stat().st_size:,} bytes, {path.stat().st_size / size:.3f} times the model file's"
    exact = nats(stored, text)
    for bits in BITS:
        off = np.abs(nats(rounded(stored, bits), text) - exact)
        yield f"dense rows of {bits} bits", f"off by {off.mean():.2g} nats, at most {off.max():.2g}"
    with started(folder / "profile") as driver:
        loads, firsts, speeds = [], [], []
        for _ in range(LOADS):
            driver.get(path.as_uri())
            begun = "performance.timing.loadEventEnd - performance.timing.navigationStart"
            loads.append(driver.execute_script(f"return {begun}"))
            firsts.append(loads[-1] + driver.execute_async_script(_WRITE, 200)[0])
        yield "page there", f"{statistics.median(loads):.0f} ms after it was opened (median of {LOADS})"
        yield (
            "first character",
            f"{statistics.median(firsts):.0f} ms after it was opened, Write pressed at once",
        )
        for _ in range(WRITES):
            speeds.append(2000 / driver.execute_async_script(_WRITE, 2000)[1] * 1000)
        yield (
            "written and shown",
            f"{statistics.median(speeds):,.0f} characters a second, 2,000 each (median of {WRITES})",
        )
        found = np.array(driver.execute_script("return charnn.logProbs(arguments[0])", text), float)
        off = np.abs(found[~np.isnan(found)][: len(exact)] + exact)
        yield "log-probabilities", f"off by at most {off.max():.2g} nats, of {len(off):,} characters"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model())
    options = parser.parse_args()
    file = model_path(options.model)
    text = options.text.read_text(encoding="utf-8")[-CHARS:]
    with TemporaryDirectory() as folder:
        for name, value in figures(read_model(file), file.stat().st_size, text, Path(folder)):
            print(f"{name:<22}{value}", flush=True)


if __name__ == "__main__":
    main()
