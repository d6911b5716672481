"""`charnn sample`: what each option changes, and nothing else."""

import io
import json
import re
import sys

import pytest
from cli import in_process, in_terminal, piped
from helpers import ALPHABET, random_model, written

import charnn
from charnn.cli.app import app
from charnn.config import ModelConfig, SampleConfig
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference import generate
from charnn.inference.engine import MAX_BATCH

CONFIG = ModelConfig(vocab_size=len(ALPHABET), hidden=16)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(written(tmp_path_factory.mktemp("sample"), random_model(CONFIG, seed=1)))


@pytest.fixture(scope="module")
def model(path):
    return charnn.load(path)


@pytest.fixture
def sample(path, capsys):
    """Run `charnn sample` with seed 3 and 40 characters; gives stdout."""
    return lambda *more: in_process(capsys, "sample", "-m", path, "--seed", "3", "-l", "40", *more)[0]


@pytest.fixture
def notes(path, capsys):
    """As `sample`, but gives stderr."""
    return lambda *more: in_process(capsys, "sample", "-m", path, "--seed", "3", "-l", "40", *more)[1]


def json_lines(output):
    return [json.loads(line) for line in output.splitlines()]


def test_one_sample_is_exactly_its_characters(path, model):
    ended = piped("sample", "-m", path, "--seed", "3", "-l", "40", "-p", "To be")
    assert ended.stdout.decode() == "To be" + model.sample("To be", length=40, seed=3)


def test_a_terminal_gets_a_final_newline(path, model):
    shown, _ = in_terminal("sample", "-m", path, "--seed", "3", "-l", "40")
    assert shown.decode() == model.sample(length=40, seed=3).removesuffix("\n") + "\n"


def test_characters_come_as_they_are_made(path, monkeypatch):
    written = io.BytesIO()

    def stream(self, prompt, **_):
        yield "a"
        assert written.getvalue() == b"To bea"
        yield "b"

    monkeypatch.setattr(charnn.Model, "stream", stream)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    app(["sample", "-m", path, "-p", "To be"], standalone_mode=False)
    assert written.getvalue() == b"To beab"


@pytest.mark.parametrize("name", ["-p", "--prompt", "--prime"])
def test_the_prompt_is_echoed_and_changes_what_follows(sample, model, name):
    assert sample(name, "To be") == "To be" + model.sample("To be", length=40, seed=3)


def test_no_echo_leaves_only_what_was_made(sample, model):
    assert sample("-p", "To be", "--no-echo") == model.sample("To be", length=40, seed=3)


def test_a_prompt_from_a_file_is_taken_as_it_is(sample, model, path, tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_text("To be\n")
    expected = "To be\n" + model.sample("To be\n", length=40, seed=3)
    assert sample("--prompt-file", str(file)) == expected
    given = piped("sample", "-m", path, "--seed", "3", "-l", "40", "--prompt-file", "-", input=b"To be\n")
    assert given.stdout.decode() == expected


def test_the_defaults_are_the_configurations(path, capsys, model):
    out, _ = in_process(capsys, "sample", "-m", path, "--seed", "3")
    assert out == model.sample(seed=3) and len(out) == SampleConfig().length


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["-t", "0.5"], {"temperature": 0.5}),
        (["--temp", "0"], {"temperature": 0.0}),
        (["--temperature", "1e30"], {"temperature": 1e30}),
        (["--temp", "1e-30"], {"temperature": 1e-30}),
        (["--top-k", "3"], {"top_k": 3}),
        (["--top-p", "0.3"], {"top_p": 0.3}),
        (["--min-p", "0.5"], {"min_p": 0.5}),
        (["--length", "7"], {"length": 7}),
        (["--length", "0"], {"length": 0}),
        (["--seed", "4"], {"seed": 4}),
        (["--stop", "a", "--stop", "e"], {"stop": ("a", "e")}),
    ],
)
def test_options_reach_the_library(sample, model, arguments, options):
    given = {"length": 40, "seed": 3, **options}
    assert sample(*arguments) == model.sample(**given) != model.sample(length=40, seed=3)


def test_top_k_0_is_off(sample):
    assert sample("--top-k", "0") == sample()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-t", "-1"],
        ["-t", "nan"],
        ["-t", "inf"],
        ["-t", "0.5", "-t", "-1"],
        ["--top-k", "-1"],
        ["--top-p", "0"],
        ["--top-p", "1.5"],
        ["--top-p", "nan"],
        ["--min-p", "1"],
        ["--min-p", "-0.1"],
        ["-l", "-2"],
        ["-l", "-1", "-n", "2"],
        ["-l", "-1", "--json"],
        ["--stop", ""],
        ["-p", "a", "--prompt-file", "b"],
        ["--prompt-file", "missing.txt"],
        ["-m", ""],
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(sample, capsys, arguments):
    with pytest.raises(InputError) as error:
        sample(*arguments)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_a_strange_character_in_a_prompt_is_named_before_anything_is_written(sample, capsys):
    with pytest.raises(UnknownCharacterError, match=r"U\+65E5"):
        sample("-p", "a日")
    assert capsys.readouterr().out == ""


def test_a_prompt_file_must_be_utf8(sample, tmp_path):
    file = tmp_path / "latin.txt"
    file.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(InputError, match="0xE9 at offset 3"):
        sample("--prompt-file", str(file))


def test_a_fresh_seed_is_said_and_gives_the_same_text(path, capsys):
    out, err = in_process(capsys, "sample", "-m", path, "-l", "40")
    seed = re.search(r"seed: (\d+)", err).group(1)
    assert in_process(capsys, "sample", "-m", path, "-l", "40", "--seed", seed)[0] == out
    assert in_process(capsys, "sample", "-m", path, "-l", "40")[0] != out


def test_several_samples_stand_apart_and_headings_go_to_stderr(sample, notes, model):
    texts = [one.text for one in model.sample_many(3, "To be", length=40, seed=3)]
    assert sample("-n", "3", "-p", "To be") == "\n\n".join(f"To be{text}" for text in texts)
    assert notes("-n", "3").count("sample ") == 3


def test_a_sample_that_ends_its_line_is_followed_by_one_blank_line(sample):
    out = sample("-n", "2", "--lines", "1", "-l", "500")
    assert out.count("\n\n") == 1 and "\n\n\n" not in out and out.count("\n") == 3


def test_a_sweep_is_a_sample_for_each_temperature(sample, notes, model):
    texts = [model.sample(length=40, seed=3, temperature=degree) for degree in (0.5, 1.1)]
    assert sample("--temp", "0.5", "--temp", "1.1") == "\n\n".join(texts)
    assert "temperature 0.5" in notes("--temp", "0.5", "--temp", "1.1")
    assert len(json_lines(sample("--temp", "0.5", "--temp", "1.1", "-n", "2", "--json"))) == 4


def test_json_has_the_contracts_fields(sample, model):
    [first, second] = json_lines(sample("--json", "-n", "2", "-p", "To be", "--stop", "a"))
    assert list(first) == ["index", "text", "log_prob", "chars", "temperature", "seed", "stopped"]
    assert (first["index"], second["index"]) == (0, 1)
    for one in (first, second):
        assert one["chars"] == len(one["text"]) and one["stopped"] == (one["chars"] < 40)
        assert one["log_prob"] == pytest.approx(model.score(one["text"], context="To be").log_prob, abs=1e-4)
        assert (one["temperature"], one["seed"]) == (1.0, 3)


def test_lines_end_a_stream_and_each_of_many(sample, model):
    whole = model.sample(length=500, seed=3)
    first_two = "".join(line + "\n" for line in whole.split("\n")[:2])
    assert sample("-l", "500", "--lines", "2") == first_two
    later = whole[len(first_two) : len(first_two) + 4]
    [one] = json_lines(sample("-l", "500", "--lines", "2", "--stop", later, "--json"))
    assert one["text"] == first_two and not one["stopped"]
    assert one["log_prob"] == pytest.approx(model.score(first_two).log_prob, abs=1e-4)
    assert sample("-l", "5", "--lines", "9") == sample("-l", "5")


def test_lines_end_an_endless_sample(sample):
    assert sample("-l", "-1", "--lines", "3").count("\n") == 3


def test_best_of_keeps_the_likeliest_per_character(sample, notes, model):
    drawn = list(model.sample_many(6, length=40, seed=3, stop=("a",)))
    best = [max(group, key=lambda one: one.log_prob / one.chars) for group in (drawn[:3], drawn[3:])]
    lines = json_lines(sample("--best-of", "3", "-n", "2", "--stop", "a", "--json"))
    assert [line["text"] for line in lines] == [one.text for one in best]
    assert best[0] != max(drawn[:3], key=lambda one: one.log_prob)
    assert [line["index"] for line in lines] == [0, 1]
    assert "best of 3: " in notes("--best-of", "3")


def test_an_empty_sample_is_never_the_best(sample):
    lines = json_lines(sample("--best-of", "40", "--stop", "e", "--json"))
    assert lines[0]["chars"] > 0


def test_colours_come_on_a_terminal_and_change_nothing_else(path):
    arguments = ("sample", "-m", path, "--seed", "3", "-l", "40", "-p", "To be")
    plain, _ = in_terminal(*arguments)
    coloured, _ = in_terminal(*arguments, "--color")
    assert COLOUR.search(coloured.decode()) and COLOUR.sub("", coloured.decode()) == plain.decode()
    several, _ = in_terminal(*arguments, "--color", "-n", "2")
    assert COLOUR.search(several.decode())


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_that_are_not_wanted_stay_away(path, settings):
    shown, _ = in_terminal("sample", "-m", path, "--seed", "3", "-l", "40", "--color", **settings)
    assert b"\x1b" not in shown


def test_colours_stay_out_of_a_pipe_unless_forced(path):
    arguments = ("sample", "-m", path, "--seed", "3", "-l", "40")
    plain = piped(*arguments).stdout.decode()
    assert piped(*arguments, "--color").stdout.decode() == plain
    forced = piped(*arguments, "--color", env={"FORCE_COLOR": "1"}).stdout.decode()
    assert forced != plain and COLOUR.sub("", forced) == plain


@pytest.fixture
def corpus(tmp_path, monkeypatch, model):
    """A file that holds the first 30 characters of `sample`'s text, and other things."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "corpus.txt"
    file.write_text("0123\n" + model.sample(length=40, seed=3)[:30] + "0123456789")
    return str(file)


def test_novelty_is_said_and_changes_nothing_else(sample, notes, corpus):
    plain, measured = (json_lines(sample("-n", "2", "--json", *more)) for more in ([], ["--novelty", corpus]))
    added = {"longest_copied", "copied_share"}
    assert [{key: one[key] for key in one.keys() - added} for one in measured] == plain
    assert (measured[0]["longest_copied"], measured[0]["copied_share"]) == (30, pytest.approx(11 / 21))
    assert measured[1]["longest_copied"] < 10 and measured[1]["copied_share"] == 0
    assert sample("--novelty", corpus) == sample()
    assert "copied: 30 characters in a row at most, 52.4% of all stretches of 20" in notes(
        "--novelty", corpus
    )
    assert "copied in sample 2: " in notes("--novelty", corpus, "-n", "2")


def test_novelty_of_short_samples_and_of_several_corpora(sample, notes, corpus, tmp_path):
    (tmp_path / "more.txt").write_text(sample()[25:])
    both = ["--novelty", corpus, "--novelty", str(tmp_path / "more.txt")]
    assert json_lines(sample(*both, "--json"))[0]["longest_copied"] == 30
    assert json_lines(sample(*both, "-l", "5", "--json"))[0]["copied_share"] is None
    assert "copied: 5 characters in a row at most\n" in notes(*both, "-l", "5")


def test_novelty_is_refused_where_there_is_no_end_or_no_corpus(sample, corpus):
    with pytest.raises(InputError, match="--length or --lines"):
        sample("-l", "-1", "--novelty", corpus)
    assert sample("-l", "-1", "--lines", "1", "--novelty", corpus).count("\n") == 1
    with pytest.raises(InputError, match="missing"):
        sample("--novelty", "missing.txt")


# Ends, prompts, what stands between


@pytest.mark.parametrize("more", [["--json"], ["-n", "2"], ["-n", "2", "--json"], []])
def test_lines_and_stops_end_generation_in_every_mode(sample, model, more, monkeypatch):
    """As many steps are made as the longest of the texts has characters, and no more."""
    steps = []
    step = generate.Streams.step
    monkeypatch.setattr(generate.Streams, "step", lambda self, **how: steps.append(1) or step(self, **how))
    sample("--lines", "1", "-l", "100000", *more)
    texts = [one.text for one in model.sample_many(2 if "-n" in more else 1, length=5000, seed=3, lines=1)]
    assert len(steps) < 5000 and max(map(len, texts)) <= len(steps)
    steps.clear()
    sample("--stop", "e", "-l", "100000", *more)
    assert len(steps) < 5000


def test_endless_length_ends_with_lines(sample, model):
    [line] = json_lines(sample("--length", "-1", "--lines", "2", "--json"))
    assert line["text"] == model.sample(length=5000, seed=3, lines=2) and line["text"].count("\n") == 2
    assert len(json_lines(sample("-l", "-1", "--stop", "e", "-n", "2", "--json"))) == 2


def test_best_of_nothing_is_said_without_numbers(notes):
    said = notes("--best-of", "3", "--length", "0")
    assert "inf" not in said and "nan" not in said and "best of 3: empty" in said


@pytest.fixture
def prompts(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("To be\n\nnot\n")
    return str(file)


def test_a_file_of_prompts_is_one_a_line(sample, model, prompts):
    texts = [one.text for one in model.sample_many(1, ["To be", "", "not"], length=40, seed=3)]
    assert texts[0] == model.sample("To be", length=40, seed=3)
    lines = json_lines(sample("--prompts-file", prompts, "--json"))
    assert [(line["prompt"], line["text"]) for line in lines] == list(
        zip(["To be", "", "not"], texts, strict=True)
    )
    assert [line["index"] for line in lines] == [0, 1, 2]
    for line in lines:
        score = model.score(line["text"], context=line["prompt"])
        assert line["log_prob"] == pytest.approx(score.log_prob, abs=1e-4)
    expected = f"To be{texts[0]}\n\n{texts[1]}\n\nnot{texts[2]}"
    assert sample("--prompts-file", prompts) == expected
    assert sample("--prompts-file", prompts, "--no-echo") == "\n\n".join(texts)


def test_each_prompt_has_its_samples_at_each_temperature(sample, prompts):
    lines = json_lines(sample("--prompts-file", prompts, "-n", "2", "-t", "0.5", "-t", "1", "--json"))
    assert [line["prompt"] for line in lines] == ["To be", "To be", "", "", "not", "not"] * 2
    assert [line["temperature"] for line in lines] == [0.5] * 6 + [1.0] * 6
    assert len({line["text"] for line in lines}) == 12


def test_more_prompts_than_a_batch_holds(sample, model, tmp_path):
    many = MAX_BATCH + 3
    file = tmp_path / "many.txt"
    file.write_text("".join(f"{number}\n" for number in range(many)))
    lines = json_lines(sample("--prompts-file", str(file), "-l", "9", "--json"))
    assert [line["prompt"] for line in lines] == [str(number) for number in range(many)]
    assert lines[0]["text"] == model.sample("0", length=9, seed=3)


def test_prompts_come_from_one_place(sample, prompts, path, tmp_path):
    for more in (["-p", "a"], ["--prompt-file", prompts]):
        with pytest.raises(InputError, match="give one of them"):
            sample("--prompts-file", prompts, *more)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    with pytest.raises(InputError, match="holds no prompt"):
        sample("--prompts-file", str(empty))
    given = piped("sample", "-m", path, "--seed", "3", "-l", "9", "--prompts-file", "-", input=b"To be\nnot")
    assert given.stdout.decode().count("\n\n") >= 1 and given.stdout.startswith(b"To be")


def test_a_delimiter_stands_between_samples(sample, model):
    texts = [one.text for one in model.sample_many(3, length=40, seed=3)]
    assert sample("-n", "3", "--delimiter", "\n%\n") == "\n%\n".join(texts)
    assert sample("-n", "3", "--delimiter", "") == "".join(texts)
    assert sample("--delimiter", "\n%\n") == texts[0]


def test_what_can_not_be_meant_is_said(notes):
    assert "--stop '日' can never match: the model doesn't know U+65E5" in notes("--stop", "日")
    assert "can never match" not in notes("--stop", "a")
    assert "holds a backslash" in notes("-n", "2", "--delimiter", r"\n")
    assert "holds a backslash" not in notes("-n", "2", "--delimiter", "\n")
