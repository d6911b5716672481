import sys

import pytest

from charnn.cli.terminal import LONGEST_LINE
from charnn.cli.train_view import Bar, Lines, Silent, ending, line_of, make_display
from charnn.model.kinds import KINDS
from charnn.training.events import (
    Evaluated,
    Event,
    Finished,
    Notice,
    Planned,
    Resumed,
    RunSummary,
    Sampled,
    Saved,
    Started,
    Stepped,
)


def stepped(step: int, seconds: float) -> Stepped:
    return Stepped(step, 0.5, 1000 * step, seconds, 1.5, 0.01, 0.9, 12345.0)


EVENTS: list[Event] = [
    RunSummary(
        "runs/a", [("corpus", "a.txt"), ("folder", "runs/a")], "charnn sample --model runs/a --temp 0.8"
    ),
    Started("1", "a.txt", 1000, 30, 5000, {}, "cpu", 0, 0, "none"),
    Planned(0, 4000, None),
    stepped(10, 61.0),
    Sampled(10, "some [red]text[/red] :smile:\nin two lines"),
    Evaluated(10, 0.5, 10_000, 62.0, 1.4),
    Saved(10, "runs/a/resume/0000000010-0", 0.25),
    Planned(10, 5000, 999.6),
    Notice("something [i]odd[/i]"),
    Resumed(10, "runs/a/resume/0000000010-0"),
    Resumed(10, "", "diverged at step 12"),
    Finished(5000, 3700.0, 1.4, "steps"),
]
LINES = """\
      corpus  a.txt
      folder  runs/a
plan: 4,000 steps
step 10  epoch 0.50  1.5000 nats  lr 0.01  12,345 chars/s  1:01
--- sample at step 10
some [red]text[/red] :smile:
in two lines
---
step 10  validation 1.4000 nats, 2.0198 bits a character  1:02
step 10  saved runs/a/resume/0000000010-0 in 0.25 s
plan: 5,000 steps at 1,000 characters a second
something [i]odd[/i]
going on from step 10, runs/a/resume/0000000010-0
going on from step 10 (diverged at step 12)
best validation 1.4000 nats, 2.0198 bits a character  (5,000 steps, 1:01:40)
charnn sample --model runs/a --temp 0.8
"""


def test_lines_say_what_happened_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        for event in EVENTS:
            display.show(event)
    assert capsys.readouterr() == ("", LINES)


def test_no_line_of_the_plan_is_long(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        display.show(RunSummary("a", [("documents", "x" * 2000), ("folder", "d/" * 2000)], "charnn sample"))
    assert max(map(len, capsys.readouterr().err.splitlines())) <= LONGEST_LINE


def test_lines_do_not_drown_in_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        for tenth in range(100):
            display.show(stepped(tenth, tenth / 10))
    assert len(capsys.readouterr().err.splitlines()) == 5


def test_a_plan_is_said_again_when_it_changed_much(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        for steps in (1000, 1100, 1101, 1102, 900, 1000):
            display.show(Planned(0, steps, None))
    assert capsys.readouterr().err.splitlines() == [
        "plan: 1,000 steps",
        "plan: 1,101 steps",
        "plan: 900 steps",
        "plan: 1,000 steps",
    ]


def test_a_long_reading_is_said_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        for megabytes in range(200):
            display.reading(megabytes * 1_000_000, 200_000_000 if megabytes > 100 else None)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading: 64 MB", "reading: 128 MB of 200 MB", "reading: 192 MB of 200 MB"]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Silent() as display:
        display.reading(10**9, None)
        for event in EVENTS:
            display.show(event)
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_text_as_it_is_and_escapes_controls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    hostile = "[/red] :smile: \x1b]52;c;eA==\x07 \x9b31m \u202e"
    with Bar() as display:
        display.reading(10**6, 10**7)
        for event in [
            *EVENTS,
            Sampled(11, hostile),
            Notice(hostile),
            RunSummary("a", [("corpus", hostile)], ""),
        ]:
            display.show(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count(r"[/red] :smile: \x1b]52;c;eA==\x07 \x9b31m \u202e") == 3
    assert not set("\x1b\x07\x9b\u202e") & set(shown.err)
    assert "some [red]text[/red] :smile:\nin two lines" in shown.err
    assert shown.err.count("step 10") == 4  # evaluated, saved and gone on twice; steps are the bar's
    assert "charnn sample --model runs/a --temp 0.8" in shown.err


def test_a_bidirectional_models_command_fills(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        display.show(RunSummary("runs/a", [], "charnn fill --model runs/a ____"))
        display.show(EVENTS[-1])
    assert capsys.readouterr().err.endswith("\ncharnn fill --model runs/a ____\n")


def test_the_command_to_paste_is_quoted_for_the_shell() -> None:
    command = KINDS["language_model"].example_command("my runs/a")
    assert ending(Finished(1, 1.0, None, "steps"), command) == [
        "no validation; the last model is kept  (1 step, 0:01)",
        "charnn sample --model 'my runs/a' --temp 0.8",
    ]


@pytest.mark.parametrize(
    ("quiet", "terminal", "variables", "kind"),
    [
        (True, True, {}, Silent),
        (False, True, {}, Bar),
        (False, True, {"NO_COLOR": "1"}, Lines),
        (False, True, {"TERM": "dumb"}, Lines),
        (False, False, {}, Lines),
        (False, False, {"FORCE_COLOR": "1"}, Lines),
    ],
)
def test_a_bar_is_for_terminals_only(
    quiet: bool, terminal: bool, variables: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert type(make_display(quiet)) is kind


def test_a_line_of_a_long_fast_run_fits_80_columns() -> None:
    line = line_of(Stepped(1_234_567, 123.45, 10**12, 45296.0, 1.2345, 0.00123, 0.9, 123_456.0))
    assert line is not None and len(line) <= 80 and "1.2345 nats" in line


def test_a_bar_of_a_long_fast_run_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    bar = Bar()
    bar.show(Planned(0, 9_999_999, None))
    status = bar._status(Stepped(1_234_567, 123.45, 10**12, 45296.0, 1.2345, 0.00123, 0.9, 123_456.0))
    assert len("training") + len(status) <= 80 - 20  # so that there is room for the bar


@pytest.mark.parametrize("columns", [40, 70, 80, 100, 200])
def test_the_bar_shows_the_validation_losses_so_far_where_there_is_room(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Bar()
    bar.show(Planned(0, 9_999_999, None))
    for step in range(1, 1000):
        bar._losses.append(2 + 5 / step)
    bar.show(Stepped(1_234_567, 123.45, 10**12, 45296.0, 1.2345, 0.00123, 0.9, 123_456.0))
    with bar._console.capture() as shown:
        bar._console.print(bar._progress.get_renderable())
    (line,) = shown.get().rstrip("\n").splitlines()
    curve = [character for character in line if character in "▁▂▃▄▅▆▇█"]
    assert len(line) <= columns and len(curve) == {40: 0, 70: 5, 80: 10, 100: 20, 200: 24}[columns]
    if columns >= 80:
        assert "training ━" in line and "1.2345 nats  123,456 chars/s" in line and "left █" in line


def test_an_evaluation_adds_to_the_curve() -> None:
    bar = Bar()
    with bar._console.capture():
        for nats in (3.0, 2.0, 1.0):
            bar.show(Evaluated(10, 0.5, 10_000, 62.0, nats))
    assert bar._losses == [3.0, 2.0, 1.0]
    assert "█▅▁" in "".join(
        str(column.render(bar._progress.tasks[0])) for column in bar._progress.columns[-1:]
    )
