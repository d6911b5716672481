"""What reaches a terminal, a pipe, a full disk, nobody."""

import json
import unicodedata

import pytest
from cli import in_terminal, piped, shell
from helpers import random_model, written
from hypothesis import given
from hypothesis import strategies as st

from charnn.cli.surprisal_colors import BOUNDS, band, band_names, heat_map, paint
from charnn.cli.terminal import escape, escape_line, json_line
from charnn.config import ModelConfig

HOSTILE = "\n \tab\x1b[]\x07\x00\x9b\u202e:/éж日"
REORDERING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
CONTROLS = "\x1b\x07\x00\x9b\u202e"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model that writes control characters, markup and characters that no small encoding has."""
    stored = random_model(ModelConfig(vocab_size=len(HOSTILE), hidden=4), characters=HOSTILE)
    return str(written(tmp_path_factory.mktemp("hostile"), stored))


def sample_of(model, *more):
    return ("sample", "-m", model, "--seed", "5", "-l", "300", *more)


@pytest.fixture(scope="module")
def text(hostile):
    """What the hostile model writes, as the library gives it."""
    from charnn import load

    text = load(hostile).sample(seed=5, length=300)
    assert set(HOSTILE) <= set(text)
    return text


@given(st.text())
def test_escaped_text_has_no_control_characters_but_tab_and_newline(text):
    safe = escape(text).replace("\t", "").replace("\n", "")
    assert not any(unicodedata.category(character) == "Cc" for character in safe)
    assert not any(unicodedata.bidirectional(character) in REORDERING for character in safe)
    assert "\n" not in escape_line(text)


def test_escapes_name_the_character():
    assert escape("a\x1b[0m\t\n\x9b\u202e") == "a\\x1b[0m\t\n\\x9b\\u202e"
    assert escape_line("a\n\tb") == "a\\n\\tb"


@given(st.text())
def test_json_lines_are_printable_ascii_and_come_back(text):
    line = json_line({"text": text})
    assert line.isascii() and line.isprintable()
    assert json.loads(line) == {"text": text}


def test_a_pipe_gets_the_models_bytes_exactly(hostile, text):
    assert piped(*sample_of(hostile)).stdout == text.encode()


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "cp1252"}]
)
def test_a_pipe_is_utf8_in_every_locale(hostile, text, locale):
    assert piped(*sample_of(hostile), env=locale).stdout == text.encode()


def test_a_terminal_gets_control_characters_escaped(hostile, text):
    shown, code = in_terminal(*sample_of(hostile))
    end = "" if text.endswith("\n") else "\n"
    assert (shown.decode(), code) == (escape(text) + end, 0)


def test_escaping_is_the_terminals_affair_not_colours(hostile, text):
    assert piped(*sample_of(hostile), env={"FORCE_COLOR": "1"}).stdout == text.encode()
    for settings in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown, _ = in_terminal(*sample_of(hostile), **settings)
        assert shown.decode().rstrip("\n") == escape(text).rstrip("\n")


def test_an_ascii_terminal_gets_what_it_lacks_escaped(hostile, text):
    shown, code = in_terminal(*sample_of(hostile), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert shown.isascii() and b"\\u65e5" in shown and code == 0


def test_errors_escape_hostile_names(tmp_path):
    name = tmp_path / "\x1b]0;title\x07\n.safetensors"
    name.write_bytes(b"nothing")
    shown, code = in_terminal("sample", "-m", str(name), stderr_too=True)
    assert code == 2 and not set(shown.decode()) & set(CONTROLS) and shown.count(b"\n") == 1


def test_usage_errors_escape_hostile_arguments():
    shown, code = in_terminal("sample", "--\x1b]0;title\x07", stderr_too=True)
    assert code == 2 and b"\x1b]" not in shown and b"\x07" not in shown


@pytest.mark.parametrize("reader", ["head -c 100", "head -n 1", "true"])
def test_a_reader_that_leaves_ends_it_silently(hostile, reader):
    ended = shell(f"$CHARNN sample -m {hostile} -l -1 --seed 1 | {reader} >/dev/null")
    assert ended.returncode == 0
    assert [line.split(b":")[0] for line in ended.stderr.splitlines()] == [b"model"]


@pytest.mark.parametrize(
    "command", ["sample -l 10 --seed 1", "score ab", "sample --help", "--version", "score ab --json"]
)
def test_a_full_disk_is_one_line_and_1(hostile, command):
    ended = shell(f"CHARNN_MODEL={hostile} $CHARNN {command} >/dev/full")
    *_, last = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert last == b"charnn: cannot write to standard output: No space left on device"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_tolerated(hostile, closed):
    for command in ("sample -l 10", "score ab"):
        ended = shell(f"CHARNN_MODEL={hostile} $CHARNN {command} {closed}")
        assert ended.returncode == 0 and b"Traceback" not in ended.stderr


def test_a_full_stderr_changes_nothing(hostile, text):
    ended = shell(f"$CHARNN sample -m {hostile} --seed 5 -l 300 2>/dev/full")
    assert (ended.returncode, ended.stdout) == (0, text.encode())


def test_twenty_columns_are_readable(hostile):
    shown, code = in_terminal("score", "-m", hostile, "ab", "a b", columns=20)
    assert code == 0 and b"a b" in shown and b"\x1b" not in shown


def test_bands_begin_at_their_bounds():
    assert [band(bits) for bits in (0, *BOUNDS)] == list(range(len(BOUNDS) + 1))
    assert len(band_names()) == len(BOUNDS) + 1


def test_paint_leaves_newlines_and_the_plain_band_alone():
    assert paint("ab", 0) == "ab"
    assert paint("a\n\nb", 1).split("\n")[1] == ""
    assert heat_map([("a", 0.5), ("b", 0.1)]) == "ab"
