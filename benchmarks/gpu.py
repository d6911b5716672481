"""Training on a GPU: losses in seconds beside nanoGPT's GPU recipe, characters a second by width, the base in minutes.

python -m benchmarks.gpu CORPUS [--base CORPUS]      CORPUS: Tiny Shakespeare, of which nanoGPT's 1.4697 is published
On a processor, to see that it works: --device cpu --seconds 20 --widths 64 128 --steps 20 --base-minutes 0.3
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loss import OURS, module_output, our_curve, peer_curve

PUBLISHED = 1.4697  # nats, nanoGPT's, after three minutes on an A100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 20, 60, 180])
    parser.add_argument("--widths", type=int, nargs="*", default=[256, 512, 1024, 2048])
    parser.add_argument("--steps", type=int, default=300, help="of each width")
    parser.add_argument("--base", type=Path, help="what the base is trained on")
    parser.add_argument("--base-minutes", type=float, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{device_name(arguments.device)}, seed {arguments.seed}")
    print_losses(arguments.corpus.resolve(), arguments.seconds, arguments.device, arguments.seed)
    print_speeds(arguments.corpus.resolve(), arguments.widths, arguments.steps, arguments.device)
    if arguments.base:
        print_base(arguments.base.resolve(), arguments.base_minutes, arguments.device, arguments.seed)


def device_name(device: str) -> str:
    """What it is called, and the version of torch."""
    import torch

    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor() or "processor"
    return f"{name}, torch {torch.__version__}"


def print_losses(corpus: Path, budgets: Sequence[float], device: str, seed: int) -> None:
    """Validation losses of runs with these budgets, each a run of its own; for charnn all seconds count."""
    print(f"{'seconds':>8}{'charnn, from nothing':>22}{'charnn, as it chooses':>23}{'nanoGPT':>10}")
    for seconds in budgets:
        ours = ["--device", device]
        cells = [
            least(OURS, corpus, seconds, seed, [*ours, "--init-from", "none"]),
            least(OURS, corpus, seconds, seed, ours),
            least("nanogpt", corpus, seconds, seed, ["--gpu"] * device.startswith("cuda")),
        ]
        print(f"{seconds:8g}{cells[0]:22.4f}{cells[1]:23.4f}{cells[2]:10.4f}", flush=True)
    print(f"nanoGPT's published loss: {PUBLISHED}")


def least(name: str, corpus: Path, seconds: float, seed: int, options: list[str]) -> float:
    """The best validation loss of a run of charnn or of a peer, nats a character."""
    curve_of = our_curve if name == OURS else peer_curve
    with tempfile.TemporaryDirectory() as folder:
        return min(loss for _, loss in curve_of(name, corpus, seconds, seed, folder, options))


def print_speeds(corpus: Path, widths: Sequence[int], steps: int, device: str) -> None:
    """Characters a second of one LSTM layer of each width, and all that the recipe adds to it."""
    for width in widths:
        events = trained(corpus, "--hidden", str(width), "--steps", str(steps), "--device", device)
        speeds = [event["chars_per_second"] for event in events if event["event"] == "train"]
        print(f"1×{width}: {median(speeds[len(speeds) // 2 :]):,.0f} characters a second", flush=True)


def print_base(corpus: Path, minutes: float, device: str, seed: int) -> None:
    """The loss of a base model after some minutes."""
    options = ["--minutes", str(minutes), "--device", device, "--seed", str(seed)]
    losses = [event["val_nats_per_char"] for event in trained(corpus, *options) if event["event"] == "eval"]
    print(f"the base, {minutes:g} minutes: {min(losses):.4f} nats a character")


def trained(corpus: Path, *options: str) -> list[dict[str, Any]]:
    """The events of a run from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        given = ["--init-from", "none", "--out", str(run), "--sample-every", "0", "--quiet", *options]
        module_output(["charnn", "train", str(corpus), *given], folder)
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    main()
