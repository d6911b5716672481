"""`charnn sample -i` in a real pseudo-terminal."""

import re
import signal

import pexpect
import pytest
from cli import CHARNN, environment, piped
from helpers import ALPHABET, random_model, written

import charnn
from charnn.config import ModelConfig

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x08]")
READY = r"\?2004h"  # the prompt asks for bracketed paste, then it reads


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    config = ModelConfig(vocab_size=len(ALPHABET), hidden=16)
    return str(written(tmp_path_factory.mktemp("interactive"), random_model(config, seed=1)))


@pytest.fixture(scope="module")
def model(path):
    return charnn.load(path)


@pytest.fixture
def start(path):
    """Start a context at its first prompt."""
    children = []

    def spawn(*more, **env):
        command = [*CHARNN[1:], "sample", "-m", path, "-i", "--seed", "3", "-l", "30", *more]
        env = environment(PROMPT_TOOLKIT_NO_CPR="1", **env)
        child = pexpect.spawn(
            CHARNN[0], command, env=env, dimensions=(24, 100), timeout=300, encoding="utf-8"
        )
        children.append(child)
        child.expect(READY)
        return child

    yield spawn
    for child in children:
        child.close(force=True)


def ended(child):
    """What was still written, and the exit code."""
    rest = child.read()
    child.close()
    return rest, child.exitstatus


def test_beginnings_are_continued_and_ctrl_d_ends(start, model):
    child = start()
    child.send("To be\r")
    child.expect_exact("To be" + model.sample("To be", length=30, seed=3).split("\n")[0])
    child.expect(READY)
    child.send("Or not\r")
    child.expect_exact("Or not" + model.sample("Or not", length=30, seed=4).split("\n")[0])
    child.expect(READY)
    child.send("\x04")
    assert ended(child)[1] == 0


def test_the_model_is_loaded_once(start, model, path):
    child = start()
    for seed in (3, 4):
        child.send("\r")
        child.expect_exact(model.sample(length=30, seed=seed).strip("\n").split("\n")[0])
        child.expect(READY)
        assert "model: " not in child.before
    child.send("\x04")
    assert ended(child)[1] == 0


def test_tab_offers_the_likeliest_characters_with_their_probabilities(start, model):
    child = start()
    child.send("To be\t")
    for character, probability in model.next("To be").top(3):
        child.expect(rf"{re.escape(character)}[^%]* {probability:.1%} ")
    child.send("\t\r")
    likeliest = model.next("To be").top(1)[0][0]
    child.expect_exact(f"To be{likeliest}" + model.sample(f"To be{likeliest}", length=30, seed=3)[:5])


def test_a_prompt_is_there_to_begin_with(start, model):
    child = start("-p", "To")
    child.send(" be\r")
    child.expect_exact("To be" + model.sample("To be", length=30, seed=3).split("\n")[0])


def test_ctrl_c_ends_a_continuation_and_then_the_program(start):
    child = start("-l", "-1")
    child.send("To be\r")
    child.expect("To be[^\x1b]{50}")
    child.kill(signal.SIGINT)
    child.expect(READY)
    child.send("\x03")
    rest, code = ended(child)
    assert (code, child.signalstatus) == (None, signal.SIGINT) and "Traceback" not in rest


def test_a_continuation_that_was_ended_does_not_end_the_program(start):
    child = start("-l", "-1")
    child.send("To be\r")
    child.expect("To be[^\x1b]{50}")
    child.kill(signal.SIGINT)
    child.expect(READY)
    child.send("\x04")
    assert ended(child)[1] == 0


def test_a_strange_character_is_named_and_the_session_goes_on(start, model):
    child = start()
    child.send("日\t\r")
    child.expect(r"U\+65E5")
    child.expect(READY)
    child.send("a\r")
    child.expect_exact("a" + model.sample("a", length=30, seed=4).split("\n")[0])


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals_get_no_colours(path, model, settings):
    command = [*CHARNN[1:], "sample", "-m", path, "-i", "--seed", "3", "-l", "30"]
    env = environment(PROMPT_TOOLKIT_NO_CPR="1", **settings)
    child = pexpect.spawn(CHARNN[0], command, env=env, timeout=300, encoding="utf-8")
    child.expect(">")
    child.send("a\t\r")
    child.expect_exact("a" + model.sample("a", length=30, seed=3).split("\n")[0])
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", child.before)
    child.send("\x04")
    assert ended(child)[1] == 0


def test_it_needs_a_terminal_and_people(path):
    for more, message in (([], b"needs a terminal"), (["--json"], b"--json")):
        done = piped("sample", "-m", path, "-i", *more, input=b"")
        assert (done.returncode, done.stdout) == (2, b"") and message in done.stderr
