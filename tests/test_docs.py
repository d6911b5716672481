"""The pages under docs/ say what is so: help is current, the format can be read, the diffs apply."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import environment, piped
from helpers import random_model, written

from charnn.bundled import bundled_model
from charnn.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from charnn.data.batches import BatchStream
from charnn.data.tokens import TokenView
from charnn.data.vocab import Vocabulary
from charnn.inference.model import load
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.settings import settings_of
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.model_file import MAX_HEADER
from charnn.storage.model_tensors import QUANTIZED_FROM
from charnn.storage.train_state import Plan, TrainState
from charnn.training import pair_recipe, recipe
from charnn.training.events import Evaluated, Finished, Planned, Resumed, Saved, Started, Stepped
from docs import generate

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("corpora/*.md"), *ROOT.glob("benchmarks/*.md")]
)
KINDS = [
    ModelConfig(20, cell="lstm", layers=2, hidden=6),
    ModelConfig(20, cell="gru", layers=2, hidden=5, embedding=3),
    ModelConfig(20, cell="rnn", hidden=7, embedding=4, ngrams=4, ngram_rows=32),
    ModelConfig(20, cell="rnn", nonlinearity="relu", hidden=7),
    ModelConfig(20, cell="lstm", hidden=6, embedding=4, ngrams=2, ngram_rows=16),
    ModelConfig(20, layers=2, hidden=6, embedding=4, ngrams=3, ngram_rows=16, skip_connection="input"),
    ModelConfig(vocab_size=12, hidden=5, embedding=64, ngrams=2, ngram_rows=QUANTIZED_FROM // 64),
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


def test_what_pages_take_from_the_program_is_current() -> None:
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"


def test_the_page_on_the_recipe_explains_each_option_of_the_network_and_the_optimiser() -> None:
    text = page("recipe.md")
    documented = piped("train", "--help").stdout.decode()
    flags = {f"--{field.name.replace('_', '-')}" for field in (*fields(ModelConfig), *fields(OptimConfig))}
    shaping = {flag for flag in flags if re.search(rf"{flag}\s", documented)} - {"--nonlinearity", "--kind"}
    assert len(shaping) > 10
    assert [flag for flag in sorted(shaping) if f"`{flag}`" not in text] == []


def test_the_page_on_the_recipe_has_the_figures_that_are_chosen() -> None:
    text, optim, small = page("recipe.md"), OptimConfig(), chosen(vocab_size=65)
    assert f"to the {small.ngrams}-gram" in text and f"embedding of {small.embedding}" in text
    plain = [chosen(vocab_size=size, ngrams=0).embedding for size in (256, 257)]
    assert plain[0] == 0 and f"256 characters, {plain[1]} above" in text
    assert f"| {optim.batch_size} and {optim.seq_length};" in text
    assert (
        f"over {optim.warmup} steps" in text
        and f"to {optim.final_lr:.0%} of the peak".replace("%", " %") in text
    )
    assert f"| {optim.weight_decay:g}, on matrices" in text and f"to norm {optim.clip:g}," in text


def chosen(vocab_size: int, **options: int) -> ModelConfig:
    inputs = recipe.RecipeInputs(1_000_000, vocab_size, gflops=100.0)
    return recipe.choose({"minutes": 1, **options}, DataConfig(), inputs).model


def test_the_page_on_the_recipe_has_the_figures_that_are_chosen_for_pairs() -> None:
    text = page("recipe.md")
    few, many, most = (chosen_for_pairs(pairs) for pairs in (1_000, pair_recipe.LARGE, 100_000))
    assert f"| {few.model.dropout} for a thousand pairs, to {most.model.dropout} for" in text
    assert f"| {few.optim.batch_size} pairs of a thousand, to {most.optim.batch_size} of" in text
    assert f"| {few.optim.lr}, from {pair_recipe.LARGE:,} pairs on {many.optim.lr} |" in text
    assert (
        f"| {few.optim.label_smoothing}, from {pair_recipe.LARGE:,} pairs on {many.optim.label_smoothing} |"
        in text
    )
    assert f"| {many.model.ngram_dropout} where there are n-grams" in text
    assert f"the 2- to {many.model.ngrams}-grams" in text
    optim = few.optim
    assert f"| {optim.weight_decay}; {optim.warmup} steps; {optim.beta1}, {optim.beta2} |" in text


def chosen_for_pairs(pairs: int) -> TrainConfig:
    inputs = pair_recipe.PairInputs(pairs, 9 * pairs, source_size=30, vocab_size=40, copied_share=0.0)
    return pair_recipe.choose_for_pairs({"minutes": 1}, DataConfig(layout="pairs"), inputs)


def test_the_page_on_the_recipe_names_sections_of_the_log() -> None:
    log = (ROOT / "benchmarks/LOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.*?)$", log, re.MULTILINE)
    named = re.findall(r"LOG[:,] \*(.*?)\*", page("recipe.md"))
    assert named and all(any(heading.startswith(name) for heading in sections) for name in named)


def test_the_pages_hold_what_the_program_prints() -> None:
    printed = piped("sample", "--help", env={"COLUMNS": "80"}).stdout.decode()
    assert f"## charnn sample\n\n```text\n{printed}```\n" in page("commands.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    named = re.findall(r"`((?:charnn|tests|docs|benchmarks)/[\w./-]+)`", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_format_has_the_bounds_that_the_loader_has() -> None:
    text = page("file-format.md")
    assert f"at most {MAX_HEADER:,}" in text
    for name, one in settings_of(ModelConfig).items():
        if one.kind is int:
            (within,) = re.findall(rf"^\| `{name}` \|[^|]*\| ([^|]*) \|", text, re.MULTILINE)
            assert within.startswith(f"{one.within.least}") and within.endswith(f"{one.within.most:,}")


def test_the_format_names_every_key_of_a_run_s_other_files() -> None:
    text = page("file-format.md")
    state = text.partition("### state.json")[2].partition("\n### ")[0]
    metrics = text.partition("### metrics.jsonl")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", state))
    for kind in (CheckpointValues, TrainState, Plan):
        assert {field.name for field in fields(kind)} <= named
    events = (Started, Planned, Stepped, Evaluated, Saved, Resumed, Finished)
    rows = {
        row[0]: set(row) for row in (re.findall(r"`(\w+)`", line) for line in metrics.splitlines()) if row
    }
    for event in events:
        written = {field.name for field in fields(event)} - ({"took"} if event is Saved else set())
        assert written <= rows[event.kind], event
    assert rows["finish"] >= {"minutes", "steps", "epochs", "patience", "diverged"}


def logits_of(path: Path, text: str) -> np.ndarray:
    """charnn's own."""
    engine, vocabulary = load(path)._engine, load(path).vocabulary
    return engine.logits(engine.read(vocabulary.encode(text), engine.initial()).top)[0]


@pytest.mark.parametrize(
    "config", KINDS, ids=lambda c: f"{c.cell}-{c.layers}-{c.embedding}-{c.ngrams}-{c.skip_connection}"
)
def test_a_reader_written_from_the_page_finds_the_same_logits(reader, tmp_path, config) -> None:
    path = written(tmp_path, random_model(config))
    for text in ("", "a", "\n abcdefggg a"):
        np.testing.assert_allclose(reader(path).logits(text), logits_of(path, text), atol=1e-4)


@pytest.mark.parametrize("skip", ["none", "input"])
def test_the_reader_reads_both_ways(reader, tmp_path, skip) -> None:
    config = ModelConfig(
        20, hidden=6, embedding=4, ngrams=3, ngram_rows=16, skip_connection=skip, kind="bidirectional"
    )
    stored = random_model(config)
    path, text = written(tmp_path, stored), "\n abc dcba"
    network = BidirectionalNetwork(config).eval()
    network.load_state_dict({name: torch.tensor(weight) for name, weight in stored.weights.items()})
    ids = torch.from_numpy(stored.vocabulary.encode(text).astype(np.int64))[:, None]
    with torch.no_grad():
        logits, _ = network(ids, network.initial_state(1))
    forward, backward = reader(path, "forward_network."), reader(path, "backward_network.")
    for place in range(1, len(text)):
        features = forward.features(text[:place]) + backward.features(text[:place:-1])
        np.testing.assert_allclose(reader(path).output(features), logits[place - 1, 0], atol=1e-4)


def test_the_reader_reads_the_model_that_ships(reader) -> None:
    text = "\nTo be"
    np.testing.assert_allclose(
        reader(bundled_model()).logits(text), logits_of(bundled_model(), text), atol=1e-3
    )


def test_the_drawing_of_batches_is_what_the_streams_hold() -> None:
    drawing = next(block for block in blocks(page("how-it-works.md"), "text") if "batch 0" in block)
    rows = [[word for word in line.split() if len(word) == 1][:9] for line in drawing.splitlines()[1:]]
    drawn = ["".join(row).replace("·", " ") for row in rows]
    vocabulary = Vocabulary(" ,Tbenort")
    text = TokenView(vocabulary.encode("To be, or not to be"), np.arange(len(vocabulary)))
    streams = BatchStream(text, batch_size=2, seq_length=3)
    batches = [streams.batch(i) for i in range(streams.batches_per_epoch)]
    for stream in range(2):
        assert drawn[stream] == "".join(vocabulary.decode(batch.inputs[:, stream]) for batch in batches)
        assert drawn[2 + stream] == "".join(vocabulary.decode(batch.targets[:, stream]) for batch in batches)


def test_what_is_shown_to_be_added_can_be(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "charnn", tmp_path / "charnn", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "tests/cli.py", "tests/helpers.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for diff in blocks(page("extending.md"), "diff"):
        apply = ["git", "apply", "-C1", "-"]
        applied = subprocess.run(apply, input=diff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert applied.returncode == 0, f"docs/extending.md: renew a diff: {applied.stderr}"
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    ended = subprocess.run(run, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and len(list((tmp_path / "tests").glob("test_*.py"))) == 3, ended.stdout
