"""The pages under docs/ say what is so: help is current, the format can be read, the diffs apply."""

import re
from pathlib import Path

import numpy as np
import pytest
from cli import piped
from helpers import random_model, written

from charnn.bundled import bundled_model
from charnn.config import ModelConfig
from charnn.inference.model import load
from docs import generate

DOCS = Path(__file__).parent.parent / "docs"
KINDS = [
    ModelConfig(20, cell="lstm", layers=2, hidden=6),
    ModelConfig(20, cell="gru", layers=2, hidden=5, embedding=3),
    ModelConfig(20, cell="rnn", hidden=7, embedding=4, ngrams=4, ngram_rows=32),
    ModelConfig(20, cell="rnn", nonlinearity="relu", hidden=7),
    ModelConfig(20, cell="lstm", hidden=6, embedding=4, ngrams=2, ngram_rows=16),
]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reader():
    """The class `Reader` of the page on the file format."""
    (code,) = blocks(page("file-format.md"), "python")
    names: dict = {}
    exec(compile(code, "docs/file-format.md", "exec"), names)
    return names["Reader"]


def test_the_help_pages_are_current() -> None:
    assert page("commands.md") == generate.commands_page(), "run `make docs`"


def test_the_pages_hold_what_the_program_prints() -> None:
    printed = piped("sample", "--help", env={"COLUMNS": "80"}).stdout.decode()
    assert f"## charnn sample\n\n```text\n{printed}```\n" in page("commands.md")


def logits_of(path: Path, text: str) -> np.ndarray:
    """charnn's own."""
    engine, vocabulary = load(path)._engine, load(path).vocabulary
    return engine.logits(engine.read(vocabulary.encode(text), engine.initial()).top)[0]


@pytest.mark.parametrize("config", KINDS, ids=lambda c: f"{c.cell}-{c.layers}-{c.embedding}-{c.ngrams}")
def test_a_reader_written_from_the_page_finds_the_same_logits(reader, tmp_path, config) -> None:
    path = written(tmp_path, random_model(config))
    for text in ("", "a", "\n abcdefggg a"):
        np.testing.assert_allclose(reader(path).logits(text), logits_of(path, text), atol=1e-4)


def test_the_reader_reads_the_model_that_ships(reader) -> None:
    text = "\nTo be"
    np.testing.assert_allclose(
        reader(bundled_model()).logits(text), logits_of(bundled_model(), text), atol=1e-3
    )
