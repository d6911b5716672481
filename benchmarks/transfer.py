"""What a base that already reads English gives small texts: the same minutes from nothing and as charnn chooses.

python -m benchmarks.transfer [--seconds 60] [--seeds 3] [--text FILE]...    FILE: any text of your own

Without --text: parts of the bundled play, prose from the standard library's docstrings, its function names, its source.
The loss is that of the end of each text that is kept for validation.
"""

import argparse
import ast
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.loss import BUNDLED, our_curve

STARTS = {"from nothing": ["--init-from", "none"], "as chosen": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--text", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    print(f"{'':32}{'bytes':>10}" + "".join(f"{start:>28}" for start in STARTS))
    with tempfile.TemporaryDirectory() as folder:
        for text in arguments.text or texts(Path(folder)):
            columns = [losses(text, start, arguments.seconds, arguments.seeds) for start in STARTS.values()]
            cells = "".join(f"{median(c):14.4f} ({min(c):.4f}–{max(c):.4f})"[:28].rjust(28) for c in columns)
            print(f"{text.name:32}{text.stat().st_size:10,}{cells}", flush=True)


def losses(text: Path, options: list[str], seconds: float, seeds: int) -> list[float]:
    """The best validation loss, in nats a character, of each seed."""
    best = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            curve = our_curve("charnn", text.resolve(), seconds, seed, folder, options)
        best.append(min(loss for _, loss in curve))
        print(f"{text.name}, {' '.join(options)} seed {seed}: {best[-1]:.4f}", file=sys.stderr)
    return best


def texts(folder: Path) -> Iterator[Path]:
    """Texts of several kinds and sizes, made from what is at hand."""
    play = BUNDLED.read_text(encoding="utf-8")
    docstrings, names = standard_library_words()
    yield from (written(folder / f"play {size}.txt", play[:size]) for size in (5_000, 50_000))
    yield from (
        written(folder / f"docstrings {size}.txt", docstrings[:size]) for size in (5_000, 50_000, 500_000)
    )
    yield written(folder / "function names.txt", names)
    yield written(folder / "source 50000.txt", Path(argparse.__file__).read_text(encoding="utf-8")[:50_000])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def standard_library_words() -> tuple[str, str]:
    """The docstrings of the standard library's modules, classes and functions; and the functions' names, one a line."""
    docstrings, names = [], {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstrings.append(ast.get_docstring(node) or "")
            if isinstance(node, ast.FunctionDef):
                names[node.name] = None
    return "\n\n".join(filter(None, docstrings)), "\n".join(names)


if __name__ == "__main__":
    main()
