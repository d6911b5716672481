"""`charnn curves`: a table and a chart, rows, JSON, pictures, and runs that are watched as they go on."""

import json
import re
import signal
import subprocess
import sys
from math import log
from xml.etree import ElementTree

import pexpect
import pytest
from cli import CHARNN, environment, in_process, piped
from metrics_helpers import add_events, course, evaluated, started, stepped, written_run
from test_app import imported_by

import charnn
from charnn.errors import InputError
from charnn.training.events import Finished

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def runs(tmp_path):
    """Three runs, the second better than the first, the third not over."""
    events = {"a": course(40), "b": course(40, better=0.5), "c": course(30, better=-0.6, ends=False)}
    return [str(written_run(tmp_path / name, these)) for name, these in events.items()]


@pytest.fixture
def shown(capsys, monkeypatch):
    """What a terminal of 80 columns gets: stdout, and stderr before it."""
    for name, value in {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return "".join(reversed(in_process(capsys, "curves", *arguments)))

    return run


def plot(text):
    """The rows of the chart."""
    return [line.partition("│")[2] for line in text.splitlines() if "│" in line]


def test_a_pipe_gets_a_row_a_run(runs, capsys):
    out, err = in_process(capsys, "curves", *runs)
    rows = [line.split("\t") for line in out.splitlines()]
    best = 1.5 + 3 / 40
    expected = [
        runs[0],
        f"{best:.4f}",
        f"{best / log(2):.4f}",
        "40",
        "20.2",
        "40",
        "4000",
        "21.0",
        "5000",
        "steps",
    ]
    assert rows[0] == expected and err == ""
    assert [row[0] for row in rows] == runs and [row[-1] for row in rows] == ["steps", "steps", "-"]


def test_json_has_whole_curves(runs, capsys):
    lines = [json.loads(line) for line in in_process(capsys, "curves", *runs, "--json")[0].splitlines()]
    found = charnn.learning_curves(runs[1])
    line = lines[1]
    assert line["best"] == {"nats": found.best.nats, "step": 40, "chars": 4000, "seconds": found.best.seconds}
    assert line["train"]["nats"] == found.train_loss.values.tolist()
    assert line["train"]["lr"] == [0.01] * 40 and line["train"]["steps"] == [*range(1, 41)]
    assert line["train"]["chars_per_second"] == found.speed.values.tolist()
    assert line["validation"]["nats"] == found.val_loss.values.tolist()
    assert line["validation"]["seconds"] == found.val_loss.seconds.tolist()
    assert (line["unit"], line["parameters"], line["ended"], line["planned_steps"]) == (
        "character",
        5000,
        "steps",
        40,
    )
    assert lines[2]["ended"] is None and lines[2]["step"] == 30


def test_a_terminal_gets_a_legend_a_table_and_a_chart_in_80_columns(runs, shown):
    text = shown(*runs)
    assert "\x1b" not in text and max(map(len, text.splitlines()[3:])) <= 80
    assert f"2 validation, b training: {runs[1]}\n" in text
    table = text.partition("ended\n")[2].partition("\n\n")[0].splitlines()
    assert [row.split() for row in table] == [
        ["1", "a", "1.5750", "40", "0:20", "40", "0:21", "5,000", "steps"],
        ["2", "b", "1.0750", "40", "0:20", "40", "0:21", "5,000", "steps"],
        ["3", "c", "2.2000", "30", "0:15", "30", "0:15", "5,000", "not", "over"],
    ]
    drawn = "".join(plot(text))
    assert {*"123abc"} <= {*drawn} and "nats per character" in text


def test_colours_are_only_added(runs, shown, monkeypatch):
    plain = shown(*runs)
    monkeypatch.delenv("NO_COLOR")
    coloured = shown(*runs)
    assert COLOUR.search(coloured) and COLOUR.sub("", coloured) == plain
    assert (
        "\x1b[32m2\x1b[0m" in coloured and "\x1b[32mb\x1b[0m" in coloured
    )  # a run's two lines have one colour


def test_what_is_drawn_and_against_what(runs, shown):
    by_default = plot(shown(*runs))
    assert plot(shown(*runs, "--what", "loss", "--x", "steps")) == by_default
    speed = shown(runs[0], "--what", "speed")
    assert "characters a second" in speed and "240" in speed and "a" not in "".join(plot(speed))
    assert "learning rate" in shown(runs[0], "--what", "lr")
    for x, last in (("steps", "40"), ("characters", "4,000"), ("seconds", "20.2")):
        assert shown(runs[0], "--x", x).rstrip().endswith(last)


def test_the_first_losses_do_not_hide_the_rest(tmp_path, shown):
    losses = [started(), *(stepped(step, 100.0 if step == 1 else 2 + 1 / step) for step in range(1, 100))]
    text = shown(str(written_run(tmp_path / "a", losses)))
    assert "100 │" not in text and "2.01 │" in text


def test_a_run_of_documents_has_symbols(tmp_path, shown):
    folder = str(written_run(tmp_path / "a", course(kind="lines")))
    assert "nats per symbol" in shown(folder)


def test_a_run_that_has_only_begun(tmp_path, shown, capsys, monkeypatch):
    folder = str(written_run(tmp_path / "a", [started()]))
    text = shown(folder)
    assert "no measurement yet" in text and "not over" in text
    monkeypatch.undo()
    row = in_process(capsys, "curves", folder)[0].split("\t")
    assert row[1:] == [*"----", "0", "0", "0.0", "5000", "-\n"]


def test_the_newest_run_is_the_default(tmp_path, capsys, monkeypatch):
    for name, steps in (("old", 4), ("new", 6)):
        written_run(tmp_path / "checkpoints" / name, course(steps))
    monkeypatch.chdir(tmp_path)
    out, err = in_process(capsys, "curves")
    assert "checkpoints/new\t" in out and "run: checkpoints/new (the newest" in err
    monkeypatch.chdir(tmp_path / "checkpoints")
    with pytest.raises(InputError, match=r"no run under \./checkpoints"):
        in_process(capsys, "curves")


def test_pictures(runs, capsys, tmp_path):
    svg = tmp_path / "x.svg"
    out = in_process(capsys, "curves", *runs, "--svg", str(svg))[0]
    assert out == in_process(capsys, "curves", *runs)[0]
    axes = [node for node in ElementTree.parse(svg).iter() if node.get("id", "").startswith("axes_")]
    assert len(axes) == 3
    in_process(capsys, "curves", *runs, "--svg", str(svg), "--what", "loss")
    assert sum(node.get("id", "").startswith("axes_") for node in ElementTree.parse(svg).iter()) == 1
    ended = piped("curves", *runs, "--png", "-", "--what", "lr")
    assert ended.stdout.startswith(b"\x89PNG") and ended.stdout.endswith(b"IEND\xaeB`\x82")


def test_names_and_reasons_of_strangers_are_data(tmp_path, shown, capsys, monkeypatch):
    folder = tmp_path / "a\x1b[31m\tb"
    written_run(
        folder, [started(), stepped(1), evaluated(1, 1.0), Finished(1, 1.0, 1.0, "\x1b]0;x\x07" * 99)]
    )
    text = shown(str(folder))
    assert "\x1b" not in text and "\x07" not in text and max(map(len, text.splitlines()[1:])) <= 80
    monkeypatch.undo()
    (row,) = in_process(capsys, "curves", str(folder))[0].splitlines()
    assert len(row.split("\t")) == 10 and "\x1b" not in row


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "missing holds no run"),
        (["--x", "hours"], "steps, characters, seconds"),
        (["--what", "everything"], "loss, lr, speed"),
        (["a"] * 10, "10 runs are more than a chart can hold"),
        (["a", "--follow", "--png", "-"], "--follow writes to standard output"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, said, capsys):
    with pytest.raises(InputError, match=said):
        in_process(capsys, "curves", *arguments)


def test_a_refusal_is_one_line_and_2(tmp_path):
    written_run(tmp_path, []).joinpath("metrics.jsonl").symlink_to("/etc/hostname")
    ended = piped("curves", str(tmp_path))
    assert (ended.returncode, ended.stdout, ended.stderr.count(b"\n")) == (2, b"", 1)
    assert b"is a symbolic link" in ended.stderr


def test_nothing_heavy_is_imported(runs):
    assert not {"numpy", "torch", "rich.console"} & imported_by("curves", "--help")
    modules = imported_by("curves", *runs)
    assert "numpy" in modules and not {"torch", "matplotlib", "rich.console"} & modules


def test_follow_tells_each_evaluation_of_a_pipe_s_run_until_it_is_over(tmp_path):
    folder = written_run(tmp_path / "a", course(4, ends=False))
    command = [*CHARNN, "curves", str(folder), "--follow"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as child:
        lines = iter(child.stdout.readline, "")
        assert next(lines).split("\t")[1:] == ["2", "200", "1.2", "3.0000", f"{3 / log(2):.4f}\n"]
        assert next(lines).split("\t")[1] == "4"
        add_events(folder, [stepped(5), evaluated(6, 1.0)])
        assert next(lines).split("\t")[1:] == ["6", "600", "3.2", "1.0000", f"{1 / log(2):.4f}\n"]
        add_events(folder, [Finished(6, 4.0, 1.0, "steps")])
        assert (list(lines), child.wait(timeout=60)) == ([], 0)


def test_follow_as_json_and_with_a_picture_at_the_end(tmp_path, capsys):
    folder = written_run(tmp_path / "a", course(4))
    picture = tmp_path / "x.png"
    out, _ = in_process(capsys, "curves", str(folder), "--follow", "--json", "--png", str(picture))
    first, last = map(json.loads, out.splitlines())
    assert first == {"run": str(folder), "step": 2, "chars": 200, "seconds": 1.25, "val_nats": 3.0}
    assert last["step"] == 4 and picture.exists()


@pytest.fixture
def watched(tmp_path):
    """A run that isn't over, and a terminal of 24 rows and 80 columns in which it is watched."""
    folder = written_run(tmp_path / "a", course(30, ends=False))
    child = pexpect.spawn(
        CHARNN[0],
        [*CHARNN[1:], "curves", str(folder), "--follow"],
        env=environment(),
        dimensions=(24, 80),
        timeout=60,
        encoding="utf-8",
    )
    yield folder, child
    child.close(force=True)


def test_follow_draws_a_terminal_s_chart_again(watched):
    folder, child = watched
    child.expect_exact("not over")
    child.expect_exact("steps")
    add_events(folder, [evaluated(31, 1.0), Finished(31, 99.0, 1.0, "patience")])
    child.expect_exact("1.0000")
    child.expect_exact("patience")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_follow_ends_with_ctrl_c_and_gives_the_cursor_back(watched):
    _, child = watched
    child.expect_exact("not over")
    child.expect_exact("steps")
    child.sendintr()
    child.expect_exact("\x1b[?25h")
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus == signal.SIGINT
