"""`charnn fill`: what each option changes, and what it says."""

import json
import re
from dataclasses import replace

import pytest
from cli import in_process, in_terminal, piped
from helpers import ALPHABET, random_model, written

import charnn
from charnn.config import FillConfig, ModelConfig
from charnn.errors import InputError, ModelFileError, UnknownCharacterError

CONFIG = ModelConfig(vocab_size=len(ALPHABET), hidden=16)
TEXT = "I like to have a cup of ___ for breakfast"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fill")
    models = {"forward": CONFIG, "both": replace(CONFIG, kind="bidirectional")}
    for name in models:
        (folder / name).mkdir()
    return {name: str(written(folder / name, random_model(config))) for name, config in models.items()}


@pytest.fixture
def fill(paths, capsys):
    """Run `charnn fill` on TEXT; gives stdout."""
    return lambda *more: in_process(capsys, "fill", "-m", paths["forward"], TEXT, *more)[0]


def texts(output):
    return [line.split("\t", 1)[1] for line in output.splitlines()]


@pytest.mark.parametrize("name", ["forward", "both"])
def test_a_pipe_gets_probability_and_text(paths, capsys, name):
    output, _ = in_process(capsys, "fill", "-m", paths[name], TEXT)
    expected = charnn.load_filler(paths[name]).fill(TEXT)
    assert output == "".join(f"{filled.probability:.4f}\t{filled.text}\n" for filled in expected)
    assert len(expected) == FillConfig().count
    before, after = TEXT.split("___")
    assert all(text.startswith(before) and text.endswith(after) for text in texts(output))


def test_json_says_all(paths, capsys):
    output, _ = in_process(capsys, "fill", "-m", paths["both"], "a__b{}", "--json")
    expected = charnn.load_filler(paths["both"]).fill("a__b{}")
    for index, (line, filled) in enumerate(zip(output.splitlines(), expected, strict=True)):
        assert json.loads(line) == {
            "index": index,
            "text": filled.text,
            "fills": list(filled.fills),
            "probability": filled.probability,
            "log_prob": filled.log_prob,
        }


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("forward", [], "by the forward model, candidates rescored with what follows"),
        ("forward", ["--lookahead", "0"], "by the forward model, from what precedes alone"),
        ("both", [], "by the bidirectional model, candidates from both sides"),
    ],
)
def test_which_model_it_is_and_how_it_fills_is_said(paths, capsys, name, more, said):
    _, err = in_process(capsys, "fill", "-m", paths[name], TEXT, *more)
    assert err.startswith(f"model: {paths[name]} (--model)\n")
    assert said in err


def test_the_newest_run_serves_whatever_its_kind(paths, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARNN_MODEL", raising=False)
    for name in ("a", "b"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    written(tmp_path / "checkpoints/a", random_model(CONFIG))
    written(tmp_path / "checkpoints/b", random_model(replace(CONFIG, kind="bidirectional")))
    _, err = in_process(capsys, "fill", TEXT)
    assert "model: checkpoints/b/model.safetensors (the newest under checkpoints)" in err
    monkeypatch.setenv("CHARNN_MODEL", paths["forward"])
    _, err = in_process(capsys, "fill", TEXT)
    assert f"model: {paths['forward']} (from $CHARNN_MODEL)" in err


def test_num_fills(fill):
    assert len(fill("-n", "3").splitlines()) == 3
    assert fill("-n", "3") == "".join(fill("--num-fills", "9").splitlines(keepends=True)[:3])


def test_max_length(paths, capsys):
    def longest(*more):
        output, _ = in_process(capsys, "fill", "-m", paths["forward"], "cup of {}", "-n", "1000", *more)
        return max(len(text.removeprefix("cup of ")) for text in texts(output))

    assert longest() > 1 == longest("--max-length", "1")


def test_beam(fill):
    assert len(fill("-n", "1000", "--beam", "7").splitlines()) <= 7 < len(fill("-n", "1000").splitlines())


def test_lookahead(paths, capsys):
    def best(rest, *more):
        output, _ = in_process(capsys, "fill", "-m", paths["forward"], f"cup of ___{rest}", *more)
        return [text.removesuffix(rest) for text in texts(output)]

    assert best(" for", "--lookahead", "0") == best("!!!!", "--lookahead", "0")
    assert best(" for") != best("!!!!")


def test_temperature_and_seed(fill, paths, capsys):
    assert fill("--temp", "0") == fill()
    assert fill("-t", "5", "--seed", "1") == fill("--temperature", "5", "--seed", "1")
    assert fill("--temp", "5", "--seed", "1") != fill("--temp", "5", "--seed", "2")
    _, err = in_process(capsys, "fill", "-m", paths["forward"], TEXT, "--temp", "5")
    assert re.search(r"^seed: \d+$", err, re.MULTILINE)


def test_a_seed_without_a_draw_is_refused(fill):
    with pytest.raises(InputError, match="--temp"):
        fill("--seed", "1")


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_the_text_may_come_from_standard_input(fill, paths, arguments):
    ended = piped("fill", "-m", paths["forward"], *arguments, input=f"{TEXT}\n".encode())
    assert ended.stdout.decode() == fill()


def test_newlines_stay_within_the_row(paths, capsys):
    output, _ = in_process(capsys, "fill", "-m", paths["forward"], "a\nb_", "-n", "2")
    assert [text[:4] for text in texts(output)] == ["a\\nb"] * 2


def test_on_a_terminal_the_fill_stands_out(paths):
    output, code = in_terminal("fill", "-m", paths["forward"], TEXT)
    rows = output.decode().splitlines()
    assert code == 0 and len(rows) == FillConfig().count
    for row in rows:
        assert re.fullmatch(r" *\d+\.\d%  I like to have a cup of \x1b\[1;4m...\x1b\[0m for breakfast", row)


def test_without_colours_nothing_stands_out(paths):
    output, _ = in_terminal("fill", "-m", paths["forward"], TEXT, NO_COLOR="1")
    assert b"\x1b" not in output


def test_what_the_model_writes_is_harmless_on_a_terminal(tmp_path):
    model = written(tmp_path, random_model(replace(CONFIG, vocab_size=3), characters="\x1ba\u202e"))
    output, _ = in_terminal("fill", "-m", str(model), "a\x1b__", NO_COLOR="1")
    assert b"\x1b" not in output and rb"a\x1b" in output and rb"\u202e" in output


@pytest.mark.parametrize(("text", "error"), [("no gap", InputError), ("caf\u00e9 _", UnknownCharacterError)])
def test_bad_texts_are_refused(paths, capsys, text, error):
    with pytest.raises(error):
        in_process(capsys, "fill", "-m", paths["forward"], text)


def test_a_bad_model_is_refused(capsys, tmp_path):
    with pytest.raises(ModelFileError):
        in_process(capsys, "fill", "-m", str(tmp_path / "missing"), TEXT)


@pytest.mark.parametrize("name", ["forward", "both"])
def test_underscores_braces_and_backslashes_can_be_written(paths, capsys, name, tmp_path):
    characters = ALPHABET[:60] + "_{}\\"
    kind = {"forward": "language_model", "both": "bidirectional"}[name]
    model = str(
        written(tmp_path, random_model(replace(CONFIG, vocab_size=64, kind=kind), characters=characters))
    )
    output, _ = in_process(
        capsys, "fill", "-m", model, r"a\_b \{} c\\_ d\e", "--json", "-n", "1", "--max-length", "1"
    )
    filled = json.loads(output)
    assert filled["text"] == rf"a_b {{}} c\{filled['fills'][0]} d\e" and len(filled["fills"][0]) == 1


def test_escapes_alone_are_no_gap(fill, paths, capsys):
    with pytest.raises(InputError, match="no gap"):
        in_process(capsys, "fill", "-m", paths["forward"], r"a\_b\{}")


def test_a_row_is_one_line_for_every_reader(tmp_path, capsys):
    characters = "\n\r\t\x85\u2028\\ab"
    model = written(
        tmp_path, random_model(replace(CONFIG, vocab_size=len(characters)), characters=characters)
    )
    output, _ = in_process(capsys, "fill", "-m", str(model), "a\n\r\t\x85\u2028_\\\\b")
    assert all(len(row.split("\t")) == 2 for row in output.splitlines())
    assert texts(output)[0].startswith(r"a\n\r\t\x85\u2028") and texts(output)[0].endswith(r"\\b")
