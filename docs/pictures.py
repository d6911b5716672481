"""`make picture`: what docs/curves.md and docs/cells.md show: three runs, cells of the bundled model, a notebook.

The runs are trained for it, a minute or two; terminals' pictures are drawn by Rich, the notebook's by Chromium.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pexpect
from nbclient import NotebookClient
from nbformat import v4
from rich.console import Console
from rich.text import Text

from charnn.bundled import bundled_corpus, bundled_model
from charnn.errors import InterruptedRunError
from charnn.files import write_atomically
from charnn.library import train_events
from charnn.training.events import Event, Stepped
from tests.browser import resized, started

FOLDER = Path(__file__).parent
COLUMNS = 80
STEPS = 1500
RUN = {"embedding": 0, "hidden": 96, "batch_size": 16, "threads": 1, "device": "cpu", "sample_every": "0"}
CELLS = ("lstm", "gru", "rnn")
CARD = (660, 420)  # pixels


def train_runs() -> None:
    """One run for each cell below checkpoints/; the last is interrupted and resumed twice."""
    for cell in CELLS:
        options = {**RUN, "cell": cell, "steps": STEPS, "init_from": "none", "out": f"checkpoints/{cell}"}
        if cell != CELLS[-1]:
            _train(options)
            continue
        for share in (1 / 3, 2 / 3):
            _train(options, until=int(share * STEPS))
            options = {"out": options["out"], "resume": True}
        _train(options)


def _train(options: dict[str, object], until: int = STEPS + 1) -> None:
    """Train, and interrupt after so many steps."""
    step = 0
    pending: Callable[[], int | None] = lambda: signal.SIGINT if step >= until else None  # noqa: E731
    sources = [] if options.get("resume") else [str(bundled_corpus())]
    try:
        for event in train_events(sources, options, pending_signal=pending):
            step = _step(event, step)
    except InterruptedRunError:
        print(f"interrupted after step {step}", file=sys.stderr)


def _step(event: Event, before: int) -> int:
    return event.step if isinstance(event, Stepped) else before


def draw_terminal(name: str, *arguments: str) -> None:
    """A command and what it writes to a terminal, as SVG."""
    environment = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "charnn", *arguments],
        env=environment,
        dimensions=(24, COLUMNS),
        timeout=300,
        encoding="utf-8",
    )
    written = child.read().replace("\r\n", "\n")
    child.close()
    assert child.exitstatus == 0, written
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ charnn {' '.join(arguments)}\n{written}"))
    svg = console.export_svg(title="", unique_id=name)
    write_atomically(FOLDER / f"{name}.svg", [svg.encode()])


def draw_notebook() -> None:
    """The card that a notebook shows of a run, in Chromium."""
    options = {**RUN, "cell": "lstm", "steps": 400, "sample_every": "390", "out": "checkpoints/notebook"}
    cells = ["import charnn", f"charnn.train({str(bundled_corpus())!r}, **{options!r})"]
    book = v4.new_notebook(cells=list(map(v4.new_code_cell, cells)))
    NotebookClient(book, timeout=300).execute()
    card = book.cells[1].outputs[0].data["text/html"]
    page = Path("card.html")
    page.write_text(f'<meta charset="utf-8"><body style="font: 14px sans-serif">{card}', encoding="utf-8")
    with started(Path("profile")) as driver:
        resized(driver, *CARD)
        driver.get(page.absolute().as_uri())
        write_atomically(FOLDER / "notebook.png", [bytes(driver.get_screenshot_as_png())])


def main() -> None:
    """In a folder of its own, so that no picture shows whose machine it is."""
    model = bundled_model().absolute()
    with TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
        os.chdir(folder)
        Path("checkpoints").mkdir()
        Path("checkpoints/shakespeare").symlink_to(model.parent)
        train_runs()
        runs = [f"checkpoints/{cell}" for cell in CELLS]
        draw_terminal("curves-terminal", "curves", *runs)
        _charnn("curves", *runs, "--svg", str(FOLDER / "curves.svg"))
        draw_terminal("cells-terminal", "inspect", "cells", "checkpoints/shakespeare")
        _charnn("inspect", "cells", "checkpoints/shakespeare", "--png", str(FOLDER / "cells.png"))
        draw_notebook()
        os.chdir(FOLDER)


def _charnn(*arguments: str) -> None:
    from charnn.cli.app import app

    app([*arguments], standalone_mode=False)


if __name__ == "__main__":
    main()
