"""Several models side by side: the same characters for all, errors that name the model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from cli import in_process, in_terminal
from helpers import loaded, random_model, scorer_of, written

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import UnknownCharacterError
from charnn.inference.comparison import Comparison
from charnn.inference.model import Model
from charnn.inference.scores import Total

MANY, FEW = "\n abcdef", "\n abc"


def stored(characters, seed):
    return random_model(ModelConfig(vocab_size=len(characters), hidden=6), seed, characters)


@pytest.fixture
def paths(tmp_path):
    for name in ("many", "few"):
        (tmp_path / name).mkdir()
    files = written(tmp_path / "many", stored(MANY, 1)), written(tmp_path / "few", stored(FEW, 2))
    return [str(file) for file in files]


@pytest.mark.parametrize("policy", ["skip", "replace"])
def test_a_character_unknown_to_one_model_counts_for_none(policy):
    models = loaded(stored(MANY, 1)), loaded(stored(FEW, 2))
    for order in (models, models[::-1]):
        comparison = Comparison(order, unknown=policy)
        [result] = comparison.texts(["a dead cab"])
        expected = {"skip": "a a cab", "replace": "a   a  cab"}[policy]
        for model, measure in zip(order, result.measures, strict=True):
            assert (measure.chars, measure.unknown) == (len(expected), 3)
            assert measure.log_prob == pytest.approx(model.score(expected).log_prob, abs=1e-4)
        [*_, whole] = comparison.file("f", ["a dead ", "cab"])
        assert [m.chars for m in whole.measures] == [len(expected)] * 2
        assert whole.log_likelihood_ratio == pytest.approx(result.log_likelihood_ratio, abs=1e-4)


def test_the_model_that_knows_fewer_does_not_win_for_it():
    one, other = loaded(stored(MANY, 1)), loaded(stored(MANY, 1))
    [result] = Comparison((one, other), unknown="skip").texts(["a dead cab€"])
    assert result.log_likelihood_ratio == 0 and result.measures[0].unknown == 1


def test_a_learnt_unknown_character_is_compared_with_its_like():
    """The price of all rare characters isn't that of one: both price alike, or an error names the model."""
    learnt = [Model.of(replace(stored(FEW + "?", seed), vocabulary=Vocabulary(FEW, True))) for seed in (1, 2)]
    [result] = Comparison(tuple(learnt)).texts(["a dead"])
    assert [measure.unknown for measure in result.measures] == [3, 3]
    knows_more = replace(stored(MANY + "?", 3), vocabulary=Vocabulary(MANY, True))
    [result] = Comparison((learnt[0], Model.of(knows_more))).texts(["a dead"])
    assert [measure.unknown for measure in result.measures] == [3, 3]
    many = replace(loaded(stored(MANY, 1)), path=Path("many"))
    for order in ((replace(learnt[0], path=Path("few")), many), (many, replace(learnt[0], path=Path("few")))):
        with pytest.raises(UnknownCharacterError, match=r"^few: U\+0064"):
            list(Comparison(order).texts(["a dead"]))
        with pytest.raises(UnknownCharacterError, match=r"^many: U\+00E9"):
            list(Comparison(order).texts(["é"]))


@pytest.mark.parametrize("options", [(), ("--whole",)])
def test_an_error_in_the_context_names_the_model(paths, capsys, options):
    named = ("-m", paths[0], "-m", paths[1], "--context", "ade", "-f", paths[0], *options)
    with pytest.raises(UnknownCharacterError, match=f"^{paths[1]}: U.0064 .* character 2 of the context"):
        in_process(capsys, "score", *named)


def test_the_likeliest_belong_to_the_characters_that_count():
    models = loaded(stored(MANY, 1)), loaded(stored(FEW, 2))
    [result] = Comparison(models, unknown="skip", top=2).texts(["adeb"])
    assert [(character, bits is None, len(top)) for character, bits, top in result.places()] == [
        ("a", False, 2),
        ("d", True, 0),
        ("e", True, 0),
        ("b", False, 2),
    ]


def test_an_error_names_the_model(paths, capsys):
    with pytest.raises(UnknownCharacterError, match=r"few/model.safetensors: U\+0064"):
        in_process(capsys, "score", "-m", paths[0], "-m", paths[1], "dab")
    with pytest.raises(UnknownCharacterError, match=r"^U\+0064"):
        in_process(capsys, "score", "-m", paths[1], "dab")


def test_the_table_shows_both_counts(paths, capsys):
    both = ["score", "-m", paths[0], "-m", paths[1]]
    out, _ = in_process(capsys, *both, "--unknown", "skip", "dab")
    assert out.rstrip("\n").split("\t")[-3:] == ["2", "1", "dab"]
    out, _ = in_process(capsys, *both, "--unknown", "skip", "--json", "dab")
    assert [(one["chars"], one["unknown"]) for one in json.loads(out)["models"]] == [(2, 1), (2, 1)]


# What stands beside the scores


def test_scored_says_which_characters_the_surprisals_belong_to(paths, capsys):
    arguments = ["score", "-m", paths[1], "--json", "--unknown", "skip", "dab"]
    line = json.loads(in_process(capsys, *arguments, "--chars")[0])
    assert line["scored"] == "ab" and len(line["surprisal_bits"]) == 2
    assert "scored" not in json.loads(in_process(capsys, *arguments)[0])


def test_heat_maps_mark_what_was_skipped(paths, tmp_path):
    shown, _ = in_terminal("score", "-m", paths[1], "--unknown", "skip", "--chars", "adb")
    assert b"\x1b[9md\x1b[0m" in shown
    page = tmp_path / "page.html"
    in_terminal("score", "-m", paths[1], "--unknown", "skip", "--html", str(page), "adb")
    assert '<span class="skipped" title="unknown to the model, skipped">d</span>' in page.read_text()


def test_bits_per_byte_and_perplexity_per_word(paths, capsys, tmp_path):
    file = tmp_path / "f"
    file.write_text("a cab\nab bca\n")
    line = json.loads(in_process(capsys, "score", "-m", paths[0], "a cab", "--json")[0])
    assert line["bits_per_byte"] == pytest.approx(line["bits_per_char"])
    assert line["perplexity_per_word"] == pytest.approx(math.exp(-line["log_prob"] / 2))
    line = json.loads(in_process(capsys, "score", "-m", paths[0], "--whole", "-f", str(file), "--json")[0])
    assert line["perplexity_per_word"] == pytest.approx(math.exp(-line["log_prob"] / 4))
    line = json.loads(in_process(capsys, "score", "-m", paths[0], "", "--json")[0])
    assert (line["bits_per_byte"], line["perplexity_per_word"]) == (None, None)


def test_bytes_are_those_of_utf_8():
    model = loaded(random_model(ModelConfig(vocab_size=4, hidden=4), 3, "\né日a"))
    score = model.score("aé日")
    assert score.bits_per_byte == pytest.approx(-score.log_prob / math.log(2) / 6)


def test_words_add_up_to_the_text(paths, capsys):
    model = loaded(stored(MANY, 1))
    score = model.score(" a  cab\ndad ")
    assert [word for word, _ in score.words()] == ["a", "cab", "dad"]
    assert sum(bits for _, bits in score.words()) == pytest.approx(
        float(score.surprisal_bits.sum()), rel=1e-5
    )
    assert model.score("  ").words() == [] == model.score("").words()
    line = json.loads(in_process(capsys, "score", "-m", paths[0], "a cab", "--words", "--json")[0])
    assert [one["word"] for one in line["words"]] == ["a", "cab"]
    out, _ = in_process(capsys, "score", "-m", paths[0], "a cab", "--words")
    _, *rows = out.splitlines()
    assert [row.split("\t")[0] for row in rows] == ["a", "cab", ""]
    assert float(rows[1].split("\t")[1]) == pytest.approx(line["words"][1]["surprisal_bits"], abs=1e-4)


def test_a_word_cut_by_a_stretch_is_one():
    total = Total()
    for score in scorer_of(stored(MANY, 1), stretch=4).whole(["a cab dead ", "cafe", "fade a"], "the text"):
        assert score.chars <= 4
        total = total.extended(score)
    assert (total.chars, total.word_count) == (21, 5)


def test_errors_name_file_and_line(paths, capsys, tmp_path):
    names, prompts = tmp_path / "names.txt", tmp_path / "prompts.txt"
    names.write_text("ab\ncab\nac€\n")
    prompts.write_text("a\nbé\n")
    for arguments, where in (
        (["score", "-f", str(names)], "character 3 of .*names.txt, line 3"),
        (["score", "a", "-f", str(names), "--whole"], "character 3 of .*names.txt, line 3"),
        (["sample", "--prompts-file", str(prompts)], "character 2 of .*prompts.txt, line 2"),
        (["sample", "--prompt-file", str(prompts)], "character 2 of .*prompts.txt, line 2"),
    ):
        with pytest.raises(UnknownCharacterError, match=where):
            in_process(capsys, *arguments, "-m", paths[0])


def test_index_counts_texts_and_files_in_input_order(paths, capsys, tmp_path):
    file = tmp_path / "f"
    file.write_text("a\ndead\n")
    arguments = ["score", "-m", paths[0], "cab", "-f", str(file), "-f", str(file), "--json"]
    lines = [json.loads(line) for line in in_process(capsys, *arguments)[0].splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    ranked = [json.loads(line) for line in in_process(capsys, *arguments, "--rank")[0].splitlines()]
    assert sorted(line["index"] for line in ranked) == [0, 1, 2, 3, 4]
    assert all(lines[line["index"]]["text"] == line["text"] for line in ranked)
    whole = [json.loads(line) for line in in_process(capsys, *arguments, "--whole")[0].splitlines()]
    assert [line["index"] for line in whole] == [0, 1, 2]
