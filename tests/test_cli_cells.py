"""`charnn inspect cells`: tables and a heat map, rows, JSON, a page and pictures of what single cells hold."""

import json
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from cli import in_process, in_terminal, piped
from helpers import random_model, written
from test_app import imported_by
from test_cells import CONFIGS, words

import charnn
from charnn.cli.activation_colors import BOUNDS, COLOURS, band, band_names, heat_map, levels
from charnn.config import ModelConfig
from charnn.errors import InputError, ModelFileError
from charnn.inference.model import load

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(written(tmp_path_factory.mktemp("cells"), random_model(CONFIGS[0])))


@pytest.fixture
def cells(model, capsys):
    """Run `charnn inspect cells` on the model and some text; gives stdout and stderr."""
    return lambda *more: in_process(capsys, "inspect", "cells", model, words(), *more)


@pytest.fixture
def shown(cells, monkeypatch):
    """What a terminal of 80 columns gets."""
    for name, value in {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)

    def run(*more):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return cells(*more)[0]

    return run


def test_a_pipe_gets_a_row_a_cell(cells, model):
    out, err = cells()
    found = charnn.explained_cells(charnn.load(model), words())
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[:4] for row in rows] == [
        [score.feature, *map(str, score.cell), "binary" if score.is_binary else "number"]
        for score in found.scores
    ]
    figures = [[score.r2, score.fitted_r2, score.rank] for score in found.scores]
    assert [list(map(float, row[4:])) for row in rows] == [pytest.approx(row, abs=1e-4) for row in figures]
    assert f"text: {len(found.text):,} characters of the given text" in err and "were replaced" not in err


def test_json_has_everything(cells, model):
    value = json.loads(cells("--json")[0])
    found = charnn.explained_cells(charnn.load(model), words())
    assert (value["model"], value["network"], value["chars"]) == (model, "lstm 2×6", len(found.text))
    assert [cell["r2"] for cell in value["cells"]] == [score.r2 for score in found.scores]
    assert {"auc", "spearman"} <= {name for cell in value["cells"] for name in cell}
    assert [gate["left_saturated"] for gate in value["gates"]] == [gate.left.tolist() for gate in found.gates]
    shown = value["shown"]
    assert (shown["layer"], shown["cell"]) == found.scores[0].cell and shown["feature"] == found.scores[
        0
    ].feature
    assert (
        found.text[shown["start"] :].startswith(shown["text"])
        and len(shown["text"]) == len(shown["values"]) == 500
    )
    place = slice(shown["start"], shown["start"] + 500)
    assert shown["values"] == found.values_of(found.scores[0].cell)[place].tolist()


def test_options_are_heeded(cells, model):
    assert len(cells("--top", "2")[0].splitlines()) == 2 * len(cells()[0].splitlines())
    assert json.loads(cells("--chars", "2500", "--json")[0])["chars"] == 2500
    shown = json.loads(cells("--cell", "1:3", "--show", "40", "--json")[0])["shown"]
    assert (shown["layer"], shown["cell"], len(shown["text"])) == (1, 3, 40)


def test_a_terminal_gets_tables_and_heights_without_colours(shown):
    text = shown()
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80
    assert "explained" in text and "AUC" in text and "ρ" in text and "forget" in text
    *_, line, heights = text.rstrip("\n").splitlines()
    assert set(heights) <= set("▁▂▃▄▅▆▇█") and len(heights) == len(line)
    assert "cell 1:3:" in shown("--cell", "1:3", "--top", "1") or "cell 1:3, " in shown("--cell", "1:3")
    assert "cell " not in shown("--show", "0").replace("layer:cell", "").replace(" cells", "")


def test_a_terminal_s_colours(model, monkeypatch):
    text, code = in_terminal("inspect", "cells", model, words(), columns=80)
    lines = text.decode().splitlines()
    assert code == 0 and COLOUR.search(lines[-1] + lines[-2])
    assert all(f" {name} " in text.decode() for name in band_names())


def test_the_text_is_a_file_standard_input_or_the_bundled_play(model, cells, capsys, tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(words())
    of_file, err = in_process(capsys, "inspect", "cells", model, "--file", str(file))
    assert of_file == cells()[0] and f"characters of {file}" in err
    assert piped("inspect", "cells", model, "-f", "-", input=words().encode()).stdout.decode() == of_file
    of_play, err = in_process(capsys, "inspect", "cells", model)
    assert (
        of_play != of_file
        and "of the bundled play's validation part" in err
        and "never saw were replaced" in err
    )
    with pytest.raises(InputError, match="give one of them"):
        cells("--file", str(file))


def test_of_a_run_the_text_that_it_validated_on_is_the_default(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(words(30_000))
    small = {"hidden": 6, "cell": "lstm", "embedding": 0, "batch_size": 4, "seq_length": 8, "device": "cpu"}
    charnn.train(tmp_path / "a.txt", out=str(tmp_path / "run"), steps=2, **small)
    (tmp_path / "a.txt").unlink()
    out, err = in_process(capsys, "inspect", "cells", str(tmp_path / "run"))
    assert "3,000 characters of the run's validation part" in err
    text = words(30_000)[27_000:]
    assert out == in_process(capsys, "inspect", "cells", str(tmp_path / "run"), text)[0]


class Page(HTMLParser):
    """The text of a page, the classes of its spans, and everything that it would load or run."""

    def __init__(self, text):
        super().__init__()
        self.classes, self.loads, self.text, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.classes += [attrs["class"]] if tag == "span" else []
        self.loads += [
            value for name, value in attrs.items() if name in ("src", "href") or name.startswith("on")
        ]
        self.loads += [tag] if tag in ("script", "link", "img", "iframe") else []

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_shows_each_cell_over_the_text_and_its_gates(cells, model, tmp_path):
    path = tmp_path / "page.html"
    assert cells("--html", str(path))[0] == cells()[0]
    text = path.read_text()
    page, found = Page(text), charnn.explained_cells(charnn.load(model), words())
    assert page.loads == [] and "default-src 'none'" in text
    assert page.tags.count("pre") == len(found.scores) and page.tags.count("svg") == len(found.gates) == 6
    assert page.tags.count("circle") == 6 * 6
    assert (
        set(page.classes) <= {f"b{number}" for number in range(len(COLOURS))} and len(set(page.classes)) > 3
    )
    for score in found.scores:
        assert any(score.feature.replace("'", "’") in part.replace("'", "’") for part in page.text)
    assert Page(cells("--html", "-")[0]).tags.count("pre") == len(found.scores)


def test_a_page_escapes_what_texts_and_models_hold(tmp_path, capsys):
    characters = "".join(dict.fromkeys("\n<script>&\"'/\x1b\x00\u202ealert() aB"))
    folder = tmp_path / "<script>&"
    folder.mkdir()
    config = ModelConfig(vocab_size=len(characters), hidden=4)
    model = str(written(folder, random_model(config, characters=characters)))
    page = tmp_path / "page.html"
    hostile = "<script>alert()</script>&\"'\x1b\x00\u202e aB\n"
    in_process(capsys, "inspect", "cells", model, hostile * 99, "--html", str(page))
    text = page.read_text()
    assert "<script" not in text and not set(text) & set("\x1b\x00\u202e")
    assert Page(text).loads == []


def test_a_terminal_gets_no_control_characters(tmp_path):
    characters = "".join(dict.fromkeys("\n\x1b]0;x\x07\x9b aB"))
    config = ModelConfig(vocab_size=len(characters), hidden=4)
    model = str(written(tmp_path, random_model(config, characters=characters)))
    (tmp_path / "text").write_text("\x1b]0;x\x07 \x9baB x\n" * 300)
    for environment in ({}, {"NO_COLOR": "1"}):
        text, code = in_terminal("inspect", "cells", model, "-f", str(tmp_path / "text"), **environment)
        assert code == 0 and not set(COLOUR.sub("", text.decode())) & set("\x1b\x07\x9b")


def test_pictures(cells, tmp_path, capsys):
    svg = tmp_path / "x.svg"
    assert cells("--svg", str(svg))[0] == cells()[0]
    axes = [node for node in ElementTree.parse(svg).iter() if node.get("id", "").startswith("axes_")]
    assert len(axes) == 1 + 3  # what is explained, and three gates
    rnn = str(written(tmp_path, random_model(CONFIGS[2])))
    png = tmp_path / "x.png"
    in_process(capsys, "inspect", "cells", rnn, words(), "--png", str(png))  # it has no gates
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell", "3"], "--cell is '3': it must be a layer and a cell"),
        (["--cell", "0:99"], "cell 0:99"),
        (["--html", "-", "--png", "-"], "can't both be standard output"),
        (["--svg", "-", "--png", "-"], "can't both be standard output"),
        (["--show", "-1"], "--show"),
        (["--top", "0"], "--top"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, said, cells):
    with pytest.raises(InputError, match=said):
        cells(*arguments)


def test_models_that_read_otherwise_are_refused(capsys, tmp_path):
    path = written(tmp_path, random_model(ModelConfig(vocab_size=70, hidden=4, kind="bidirectional")))
    with pytest.raises(ModelFileError, match="bidirectional"):
        in_process(capsys, "inspect", "cells", str(path))


def test_without_a_model_it_is_the_usual_one(model, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CHARNN_MODEL", model)
    (tmp_path / "text").write_text(words())
    out, err = in_process(capsys, "inspect", "cells", "-f", str(tmp_path / "text"), "--json")
    assert json.loads(out)["model"] == model and "CHARNN_MODEL" in err


def test_no_torch(model):
    modules = imported_by("inspect", "cells", model, words())
    assert "numpy" in modules and not {"torch", "matplotlib", "rich.console"} & modules
    assert not {"numpy", "torch"} & imported_by("inspect", "cells", "--help")


def test_bands_go_from_red_by_plain_to_blue():
    assert [band(value) for value in (-1, -0.8, -0.5, 0, 0.2, 0.79, 0.8, 1)] == [0, 1, 2, 4, 5, 7, 8, 8]
    assert len(COLOURS) == len(band_names()) == len(BOUNDS) + 1 and COLOURS[4] == ""
    painted = heat_map(["a", "b", "\n", "c", "d"], [1.0, 1.0, 1.0, 1.0, 0.0])
    assert painted == "\x1b[30;48;5;69mab\x1b[0m\n\x1b[30;48;5;69mc\x1b[0md"
    assert levels([-1, 0.01, 1, -9, 9]) == "▁▅█▁█"


def test_the_model_that_ships_knows_its_place_in_the_line_and_who_speaks():
    """Not trained here: the figures of docs/cells.md are of this model."""
    from charnn.bundled import bundled_model

    text = "\n\n".join(
        f"{name}:\nI speak to you, and so does he;\nWe speak of it." for name in ("KING", "FOOL") * 60
    )
    found = charnn.explained_cells(load(bundled_model()), text)
    best = {score.feature: score for score in reversed(found.scores)}
    assert best["position in the line"].r2 > 0.5 and best["speaker's name"].rank > 0.9
