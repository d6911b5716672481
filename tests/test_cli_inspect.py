"""`charnn inspect`: what each option changes, and nothing else."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli import in_process, in_terminal, piped
from helpers import ALPHABET, random_model, written
from test_app import imported_by

import charnn
from charnn.config import GradientsConfig, MemoryConfig, ModelConfig
from charnn.errors import InputError, ModelFileError

CONFIGS = [
    ModelConfig(vocab_size=70, cell="rnn", nonlinearity="relu", hidden=6),
    ModelConfig(vocab_size=70, hidden=6, layers=2),
]
NAMES = ["rnn relu 1×6", "lstm 2×6"]
QUICK = {"gradients": ["--lags", "5", "--windows", "2"], "memory": ["--longest", "8", "--places", "4"]}
KEYS = {"gradients": ("lags", "norms"), "memory": ("histories", "bits_per_char")}

each_command = pytest.mark.parametrize("command", QUICK)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect")
    for name in "ab":
        (folder / name).mkdir()
    return [str(written(folder / name, random_model(c))) for name, c in zip("ab", CONFIGS, strict=True)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(ALPHABET[i] for i in np.random.default_rng(0).integers(0, 70, 3000)))
    return str(path)


@pytest.fixture
def inspect(paths, corpus, capsys):
    """Run a quick `charnn inspect` on the first model and the corpus; gives stdout and stderr."""
    return lambda command, *more: in_process(
        capsys, "inspect", command, paths[0], "--corpus", corpus, *QUICK[command], *more
    )


def json_lines(output):
    return [json.loads(line) for line in output.splitlines()]


def rows(output):
    return [line.split("\t") for line in output.splitlines()]


@each_command
def test_json_is_what_the_library_gives(command, inspect, paths, corpus):
    [line] = json_lines(inspect(command, "--json")[0])
    model, text = charnn.load(paths[0]), charnn.held_out([corpus])
    x_key, y_key = KEYS[command]
    assert list(line) == ["model", "network", x_key, y_key, "unknown"]
    assert (line["model"], line["network"], line["unknown"]) == (paths[0], NAMES[0], 0)
    if command == "gradients":
        found = charnn.gradient_norms(model, text, lags=5, windows=2)
    else:
        found = charnn.memory_curve(model, text, longest=8, places=4)
    assert line[x_key] == getattr(found, x_key).tolist()
    assert line[y_key] == pytest.approx(getattr(found, y_key).tolist())


@each_command
def test_a_pipe_gets_rows_without_heading_or_chart(command, inspect):
    [line] = json_lines(inspect(command, "--json")[0])
    by_x = dict(zip(*(line[key] for key in KEYS[command]), strict=True))
    table = rows(inspect(command)[0])
    assert [int(x) for x, _ in table] == ([0, 1, 2, 4, 5] if command == "gradients" else [1, 2, 4, 8])
    assert [float(y) for _, y in table] == pytest.approx([by_x[int(x)] for x, _ in table], rel=1e-3)


@each_command
def test_several_models_stand_side_by_side(command, inspect, paths):
    alone, together = inspect(command), inspect(command, paths[1])
    assert [row[:2] for row in rows(together[0])] == rows(alone[0])
    assert all(len(row) == 3 for row in rows(together[0]))
    for number, (name, path) in enumerate(zip(NAMES, paths, strict=True), 1):
        assert f"{number}: {name}, {path}\n" in together[1]
    assert [line["model"] for line in json_lines(inspect(command, paths[1], "--json")[0])] == paths


@each_command
def test_a_terminal_gets_a_heading_and_a_chart(command, paths, corpus):
    arguments = ("inspect", command, *paths, "--corpus", corpus, *QUICK[command])
    shown, code = in_terminal(*arguments, NO_COLOR="1")
    lines = shown.decode().splitlines()
    assert code == 0 and lines[0].split() == [KEYS[command][0], "1", "2"]
    assert any("│" in line and ("1" in line or "2" in line) for line in lines)
    assert max(map(len, lines)) <= 100
    coloured, _ = in_terminal(*arguments)
    assert b"\x1b[" in coloured and b"\x1b[" not in shown


@each_command
def test_the_corpus_is_what_is_read(command, inspect, paths, capsys, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("abc\n" * 1000)
    out, err = in_process(
        capsys, "inspect", command, paths[0], "--corpus", str(other), *QUICK[command], "--json"
    )
    assert out != inspect(command, "--json")[0]
    assert f"the last 400 characters of {other}" in err


@each_command
def test_without_a_corpus_it_is_the_bundled_one(command, paths, capsys):
    _, err = in_process(capsys, "inspect", command, paths[0], *QUICK[command])
    assert "of the bundled corpus" in err
    assert "characters that" in err and "never saw were replaced" in err  # it has brackets


@each_command
def test_without_a_model_it_is_the_usual_one(command, paths, corpus, capsys, monkeypatch):
    monkeypatch.setenv("CHARNN_MODEL", paths[1])
    out, err = in_process(capsys, "inspect", command, "--corpus", corpus, *QUICK[command], "--json")
    assert json_lines(out)[0]["model"] == paths[1] and "CHARNN_MODEL" in err


def test_standard_input_may_be_the_corpus_of_several_models(paths, corpus):
    with Path(corpus).open("rb") as stdin:
        ended = piped("inspect", "memory", *paths, "--corpus", "-", *QUICK["memory"], stdin=stdin)
    assert ended.returncode == 0 and len(rows(ended.stdout.decode())[0]) == 3


def test_lags_is_how_far_back(inspect):
    [line] = json_lines(inspect("gradients", "--lags", "9", "--json")[0])
    assert line["lags"] == list(range(10)) and len(line["norms"]) == 10


def test_longest_is_the_longest_history(inspect):
    assert json_lines(inspect("memory", "--longest", "20", "--json")[0])[0]["histories"] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("command", "name"), [("gradients", "--windows"), ("memory", "--places")])
def test_how_many_places_are_averaged(command, name, inspect):
    assert inspect(command, name, "3", "--json")[0] != inspect(command, "--json")[0]


def test_the_defaults_are_the_configurations(paths, capsys):
    [line] = json_lines(in_process(capsys, "inspect", "gradients", paths[0], "--windows", "1", "--json")[0])
    assert line["lags"][-1] == GradientsConfig.lags
    [line] = json_lines(in_process(capsys, "inspect", "memory", paths[0], "--places", "1", "--json")[0])
    assert line["histories"][-1] == MemoryConfig.longest


@each_command
def test_pictures_are_drawn_beside_the_table(command, inspect, tmp_path):
    svg, png = tmp_path / "x.svg", tmp_path / "x.png"
    assert inspect(command, "--svg", str(svg), "--png", str(png))[0] == inspect(command)[0]
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_picture_on_standard_output_stands_there_alone(paths):
    ended = piped("inspect", "memory", paths[0], *QUICK["memory"], "--svg", "-")
    assert ended.returncode == 0
    assert ElementTree.fromstring(ended.stdout).tag.endswith("svg")
    ended = piped("inspect", "memory", paths[0], *QUICK["memory"], "--png", "/dev/stdout", "--json")
    assert ended.stdout.startswith(b"\x89PNG") and ended.stdout.endswith(b"IEND\xaeB`\x82")


def test_two_pictures_do_not_share_standard_output(paths):
    ended = piped("inspect", "memory", paths[0], "--png", "-", "--svg", "/dev/stdout")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"--svg and --png can't both be standard output" in ended.stderr


@each_command
@pytest.mark.parametrize("option", ["--svg", "--png"])
def test_a_missing_plotting_library_is_said_before_anything_is_computed(
    command, option, inspect, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'charnn\[plot\]'"):
        inspect(command, "no-such-model", option, str(tmp_path / "x"))
    assert inspect(command)[0]  # without pictures it isn't needed


@each_command
def test_what_cannot_be_used_is_one_line_and_2(command, paths, tmp_path):
    for arguments in (["no-such-model"], [paths[0], "--corpus", str(tmp_path / "missing")]):
        ended = piped("inspect", command, *arguments)
        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr.decode().splitlines()[-1].startswith("charnn: ")
    short = tmp_path / "short.txt"
    short.write_text("abc" * 20)
    ended = piped("inspect", command, paths[0], "--corpus", str(short))
    assert ended.returncode == 2 and b"give a longer corpus" in ended.stderr


@each_command
def test_numbers_below_1_are_bad_usage(command, paths):
    for name in QUICK[command][::2]:
        assert piped("inspect", command, paths[0], name, "0").returncode == 2


def test_more_models_than_marks_are_refused(capsys, paths):
    with pytest.raises(InputError, match="36 models are more than a chart can hold"):
        in_process(capsys, "inspect", "memory", *[paths[0]] * 36)


def test_a_bidirectional_model_is_refused(capsys, tmp_path):
    config = ModelConfig(vocab_size=70, hidden=4, kind="bidirectional")
    path = written(tmp_path, random_model(config))
    for command in QUICK:
        with pytest.raises(ModelFileError, match="bidirectional"):
            in_process(capsys, "inspect", command, str(path))


def test_help_lists_the_commands_and_each_has_an_example():
    text = piped("inspect", "--help").stdout.decode()
    for command in QUICK:
        assert command in text
        ended = piped("inspect", command, "--help")
        assert ended.returncode == 0 and f"Example: charnn inspect {command}" in ended.stdout.decode()
        assert "Output:" in ended.stdout.decode()


def test_help_imports_nothing_heavy_and_memory_no_torch(paths, corpus):
    assert not {"numpy", "torch", "matplotlib"} & imported_by("inspect", "gradients", "--help")
    modules = imported_by("inspect", "memory", paths[0], "--corpus", corpus, *QUICK["memory"])
    assert "numpy" in modules and not {"torch", "matplotlib"} & modules
