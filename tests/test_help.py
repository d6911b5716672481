"""What the program says to someone who doesn't know it, or mistypes: help, examples, suggestions."""

import shlex

import pytest
from cli import piped

from charnn.cli.app import whole_program
from charnn.cli.commands import EXAMPLES
from docs.generate import contexts

CONTEXTS = list(contexts(whole_program(), "charnn"))
LEAVES = [context for context in CONTEXTS if not hasattr(context.command, "commands")]


def commands(contexts):
    return pytest.mark.parametrize("context", contexts, ids=lambda context: context.command_path)


@commands(LEAVES)
def test_every_command_has_an_example_which_the_programs_help_repeats(context):
    help_text = context.get_help()
    example = help_text.partition("Example: ")[2].partition("\n\n")[0]
    assert example.startswith(f"{context.command_path} ")
    assert " ".join(example.split()) in CONTEXTS[0].get_help()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_understood(example):
    (context,) = (one for one in LEAVES if example.startswith(f"{one.command_path} "))
    words = shlex.split(example)[len(context.command_path.split()) :]
    assert context.command.make_context(context.command_path, words).params  # raises for what it doesn't know


def test_the_programs_help_lists_every_command():
    listed = CONTEXTS[0].get_help().partition("Commands:")[2].partition("Examples:")[0]
    assert [line.split()[0] for line in listed.split("\n") if line.strip()] == list(
        CONTEXTS[0].command.commands
    )


@commands(CONTEXTS)
def test_every_parameter_is_explained_within_80_columns(context):
    assert all(parameter.help for parameter in context.command.params)
    examples = context.get_help().partition("Examples:")[0]
    assert max(map(len, examples.splitlines())) <= 80


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (["sample", "--tmp", "1"], "--temp"),
        (["sample", "--temprature", "1"], "--temperature"),
        (["train", "--hiden", "64"], "--hidden"),
        (["train", "--minute", "1"], "--minutes"),
        (["score", "--rnak"], "--rank"),
        (["cache", "--clean"], "--clear"),
    ],
)
def test_a_wrong_option_suggests_the_right_one(wrong, right):
    ended = piped(*wrong)
    *_, complaint = ended.stderr.decode().strip().splitlines()
    assert ended.returncode == 2
    assert complaint.startswith("Error: No such option: ") and right in complaint.partition(wrong[1])[2]


def test_a_wrong_command_suggests_the_right_one():
    ended = piped("sampel")
    assert ended.returncode == 2 and b"Did you mean 'sample'?" in ended.stderr
