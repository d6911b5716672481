"""The command line: any arguments and any standard input end with a documented exit, and never with a traceback.

A case is JSON: `arguments`, and `stdin` as Latin-1. The options are read from the program itself, so that new ones are
tried too; endless work isn't asked for, and training is, but for a step or two, a plan.
"""

import gzip
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np

from charnn.cli import app as program
from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.model.kinds import weight_shapes
from charnn.storage.model_file import ModelFile, write_model

from .campaign import ACCEPTED, REFUSED, Target
from .mutate import json_bytes
from .states import fixed_machine

EXITS = (0, 1, 2)
TEXT = "the cat sat on the mat and the dog sat on the log\n" * 6
ALPHABET = "\n abcdefghijklmnopqrstuvwxyz"
HUGE = ("9" * 30, "9" * 5000, "-" + "9" * 400, "9" * 400 + "s", "2147483648", "1e999")
NUMBERS = (
    "0", "1", "2", "3", "7", "-1", "0.5", "1.0", "0.999", "nan", "inf", "-inf", "1e-30", "1e30", "1e400", "x",
    "",
)  # fmt: skip
TEXTS = (
    "", "the cat", "a", "\n", "[red]x[/red]", ":smile:", "\x1b[31m", "é", "🙂\u202e", "\udcff", "--", "-x", "the " * 50,
)  # fmt: skip
FILES = (
    "corpus.txt", "corpus.txt.gz", "folder", "binary", "empty", "missing", "-", "*.txt", "model", "fifo://x",
    "", "a\nb",
)  # fmt: skip
CHOICES = (
    "lstm", "gru", "rnn", "LSTM", "tanh", "relu", "strict", "replace", "skip", "error", "auto", "cpu", "cuda",
    "cuda:7", "mps", "fp32", "bf16", "10m", "30s", "0", "5", "1h", *HUGE,
)  # fmt: skip
MODELS = ("model", "model", "model", "corpus.txt", "missing", "folder", "", "out")
WRITTEN = (
    "out/run",
    "out/page.html",
    "out/missing/x",
    "folder",
    "",
    "out/\x1b[31m",
    "/dev/null",
    "/dev/full",
)
# What would be endless work, or memory without end, if it were huge:
BOUNDED = {
    "length", "lines", "num_samples", "best_of", "layers", "hidden", "embedding", "ngrams", "ngram_rows",
    "steps", "epochs", "minutes", "batch_size", "seq_length", "threads", "beam", "width",
}  # fmt: skip
BRIEF = {"train": ["--dry-run"], "sample": ["--length", "5"]}
ONE_STEP = ["--steps", "2", "--hidden", "4", "--out", "out/run"]


@cache
def _command() -> Any:
    import_module("charnn.training.run")  # torch's seconds are no case's
    return program.whole_program()


def make(numbers: Random) -> bytes:
    commands = _command().commands
    name = numbers.choice(("sample", "score", "train", *commands))
    parameters = [p for p in commands[name].params if p.name != "interactive"]
    arguments = [part for p in _some(numbers, parameters) for part in _given(numbers, p)]
    if numbers.random() < 0.15:
        arguments.insert(
            numbers.randint(0, len(arguments)), numbers.choice((*TEXTS, *NUMBERS, "--nonsense", "-z"))
        )
    end = ONE_STEP if name == "train" and numbers.random() < 0.02 else BRIEF.get(name, [])
    stdin = numbers.choice(("", TEXT, "é\n🙂", "\x00", "\xff\xfe")).encode("utf-8").decode("latin-1")
    return json_bytes({"arguments": [name, *arguments, *end], "stdin": stdin})


def _some(numbers: Random, parameters: list[Any]) -> list[Any]:
    return numbers.sample(parameters, min(numbers.choice((0, 1, 2, 3, 5)), len(parameters)))


def _given(numbers: Random, parameter: Any) -> list[str]:
    """A parameter with a value that it may or may not like."""
    if getattr(parameter, "is_flag", False):
        return [numbers.choice(parameter.opts)]
    value = _value(numbers, parameter)
    if parameter.param_type_name == "argument":
        return [value, *([_value(numbers, parameter)] if numbers.random() < 0.3 else [])]
    name = numbers.choice(parameter.opts)
    return [f"{name}={value}"] if name.startswith("--") and numbers.random() < 0.5 else [name, value]


def _value(numbers: Random, parameter: Any) -> str:
    name, kind = str(parameter.name), str(parameter.type).lower()
    if "int" in kind or "float" in kind:
        return numbers.choice(NUMBERS if name in BOUNDED else (*NUMBERS, *HUGE))
    if name in ("out", "html", "png", "svg"):
        return numbers.choice(WRITTEN)
    if name in ("model", "init_from"):
        return numbers.choice(MODELS)
    return numbers.choice(numbers.choice((FILES, CHOICES) if "file" in name else (TEXTS, FILES, CHOICES)))


def run(case: bytes, folder: Path) -> str:
    given = json.loads(case)
    home = _home(folder)
    shutil.rmtree(home / "out", ignore_errors=True)
    (home / "out").mkdir()
    with chdir(home), _streams(given["stdin"].encode("latin-1")) as err:
        code = _exit_code([one.replace("\0", "") for one in given["arguments"]], home)
    _check(code, err.getvalue().decode("utf-8", "backslashreplace"))
    return REFUSED if code else ACCEPTED


def _check(code: object, said: str) -> None:
    """What is promised of every end: a documented code, a reason, one line of it where it is ours."""
    ours = [line for line in said.split("\n") if line.startswith("charnn: ")]
    assert code in EXITS, f"exit {code!r}"
    assert "Traceback" not in said, said[-300:]
    assert code == 0 or said.strip(), "no word of what is wrong"
    assert len(ours) <= 1, ours
    assert all(line.isprintable() for line in ours), ours


def _exit_code(arguments: list[str], home: Path) -> object:
    """What the program, guarded streams apart, exits with."""
    environment = {"XDG_CACHE_HOME": str(home / "cache"), "CHARNN_MODEL": str(home / "model")}
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        stack.enter_context(patch.object(sys, "argv", ["charnn", *arguments]))
        stack.enter_context(patch.object(program, "guard_streams"))
        stack.enter_context(patch.object(program, "app", _command()))
        if arguments[:1] == ["train"]:
            stack.enter_context(fixed_machine())
        try:
            program.main()
        except SystemExit as end:
            return end.code or 0


@contextmanager
def _streams(stdin: bytes) -> Iterator[io.BytesIO]:
    """Standard streams in memory, which take every character, as guarded ones do; stderr's bytes are given."""
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)), encoding="utf-8")  # type: ignore[arg-type]
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
    kept = sys.stdout, sys.stderr
    try:
        yield err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in kept:  # or its end would close what it wrote to
            stream.detach()


def _home(folder: Path) -> Path:
    """A folder with a corpus, a model, and things that are neither."""
    home = folder / "home"
    if home.exists():
        return home
    (home / "folder/.hidden").mkdir(parents=True)
    (home / "corpus.txt").write_text(TEXT)
    (home / "folder/part.txt").write_text(TEXT)
    (home / "corpus.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (home / "binary").write_bytes(bytes(range(256)))
    (home / "empty").write_bytes(b"")
    config = ModelConfig(vocab_size=len(ALPHABET), hidden=4)
    numbers = np.random.default_rng(0)
    weights = {
        name: numbers.standard_normal(shape).astype(np.float32)
        for name, shape in weight_shapes(config).items()
    }
    write_model(home / "model", ModelFile(config, Vocabulary(ALPHABET), weights, {}))
    return home


TARGET = Target("commands", make, run)
