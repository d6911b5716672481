"""Texts as a model reads them: normal forms, unknown characters, places."""

import json
import unicodedata

import pytest
from cli import in_process
from helpers import loaded, random_model, scorer_of, written

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import UnknownCharacterError
from charnn.inference.encoding import encode, known_form
from charnn.inference.infill import Filler

COMPOSED = "\n caféñü각"
DECOMPOSED = "".join(dict.fromkeys(unicodedata.normalize("NFD", COMPOSED)))


def model_of(characters, **more):
    has_unknown = more.get("has_unknown", False)
    return random_model(
        ModelConfig(vocab_size=len(characters) + has_unknown, hidden=6), 3, characters, **more
    )


@pytest.mark.parametrize(
    ("characters", "known", "other"), [(COMPOSED, "NFC", "NFD"), (DECOMPOSED, "NFD", "NFC")]
)
def test_the_other_normal_form_is_read_as_the_model_s(characters, known, other):
    model = loaded(model_of(characters))
    text, same = (unicodedata.normalize(form, "fac café 각 ñ") for form in (other, known))
    score = model.score(text)
    assert (score.text, score.scored, score.unknown, score.converted) == (text, same, 0, same)
    assert score.log_prob == model.score(same).log_prob and model.score(same).converted is None
    assert model.sample(text, length=20, seed=1) == model.sample(same, length=20, seed=1)
    assert model.next(text) == model.next(same)
    assert "".join(character for character, bits in score.places() if bits is not None) == same
    [whole] = model.score_many([text])
    assert whole == score


def test_what_is_known_stays_as_it_is():
    vocabulary = Vocabulary("e\u0301é")
    assert known_form(vocabulary, "e\u0301") == "e\u0301" and known_form(vocabulary, "é") == "é"
    assert encode(vocabulary, "e\u0301é", "error", "the text").read == "e\u0301é"


def test_what_no_form_makes_known_is_still_an_error():
    with pytest.raises(UnknownCharacterError, match=r"U\+65E5 .*character 6 of the text"):
        loaded(model_of(COMPOSED)).score("cafe\u0301日")
    score = loaded(model_of(COMPOSED)).score("cafe\u0301日", unknown="skip")
    assert (score.scored, score.unknown) == ("café", 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_stretches_end_between_whole_characters(size):
    scorer = scorer_of(model_of(COMPOSED), stretch=4)
    model = loaded(model_of(COMPOSED))
    text = unicodedata.normalize("NFD", "café각ñü fañ" * 3)
    stretches = list(scorer.whole((text[i : i + size] for i in range(0, len(text), size)), "the text"))
    assert sum(score.chars for score in stretches) == len(unicodedata.normalize("NFC", text))
    assert "".join(score.text for score in stretches) == text
    assert sum(score.log_prob for score in stretches) == pytest.approx(model.score(text).log_prob, abs=1e-4)


def test_a_text_of_marks_alone_is_cut_all_the_same():
    stretches = list(scorer_of(model_of(DECOMPOSED), stretch=4).whole(["\u0301" * 50], "the text"))
    assert sum(score.chars for score in stretches) == 50 and max(score.chars for score in stretches) <= 5


# The unknown character of --max-vocab


def test_the_trained_unknown_character_serves_for_scores_and_prompts():
    model = loaded(model_of("\n abc", has_unknown=True))
    score = model.score("a日b")
    assert (score.chars, score.unknown) == (3, 1)
    assert score.log_prob == model.score("a€b").log_prob == model.score("a日b", unknown="replace").log_prob
    assert model.score("a日b", unknown="skip").chars == 2
    assert model.sample("日", length=9, seed=1) == model.sample("€", length=9, seed=1)
    assert (
        model.score("a", context="日").log_prob == model.score("a", context="日", unknown="replace").log_prob
    )


@pytest.mark.parametrize("unknown", ["skip", "replace"])
def test_prompts_take_the_policies_of_scores(unknown):
    model = loaded(model_of("\n abc"))
    with pytest.raises(UnknownCharacterError, match="--unknown skip or replace"):
        model.sample("a日b")
    same = {"skip": "ab", "replace": "a b"}[unknown]
    expected = model.sample(same, length=20, seed=1)
    assert model.sample("a日b", length=20, seed=1, unknown=unknown) == expected
    assert "".join(model.stream("a日b", length=20, seed=1, unknown=unknown)) == expected
    assert next(model.sample_many(1, "a日b", length=20, seed=1, unknown=unknown)).text == expected
    assert model.next("a日b", unknown=unknown) == model.next(same)


@pytest.mark.parametrize("kind", ["language_model", "bidirectional"])
def test_fill_takes_the_policies_too(kind):
    config = ModelConfig(vocab_size=5, hidden=6, kind=kind)
    filler = Filler.of(random_model(config, 3, "\n abc"))
    with pytest.raises(UnknownCharacterError):
        filler.fill("a日_b")
    assert filler.fill("a日_b", unknown="skip")[0].text[:2] == "a日"
    skipped, replaced = filler.fill("a日_b", unknown="skip"), filler.fill("a日_b", unknown="replace")
    assert [one.fills for one in skipped] == [one.fills for one in filler.fill("a_b")]
    assert [one.fills for one in replaced] == [one.fills for one in filler.fill("a _b")]
    assert Filler.of(random_model(config, 3, "\nabc", has_unknown=True)).fill("a日_b")[0].known == (
        "a日",
        "b",
    )


def test_fill_reads_the_model_s_normal_form():
    filler = Filler.of(model_of(COMPOSED))
    assert filler.fill("cafe\u0301 _") == filler.fill("café _")


# What the commands say of it


@pytest.fixture
def path(tmp_path):
    return str(written(tmp_path, model_of(COMPOSED)))


@pytest.mark.parametrize("command", [["sample", "-l", "5", "-p"], ["score"], ["fill"]])
def test_a_conversion_is_said(command, path, capsys):
    form = "normal form (NFC or NFD)"
    gap = " _" if command == ["fill"] else ""
    name, *more = command
    _, err = in_process(capsys, name, "-m", path, *more, "cafe\u0301" + gap)
    assert err.count(form) == 1
    _, err = in_process(capsys, name, "-m", path, *more, "café" + gap)
    assert form not in err


def test_the_unknown_character_s_part_in_a_prompt_is_said(tmp_path, capsys):
    path = str(written(tmp_path, model_of("\n abc", has_unknown=True)))
    _, err = in_process(capsys, "sample", "-m", path, "-l", "5", "-p", "a日")
    assert "1 characters of the prompt are unknown to the model" in err


@pytest.mark.parametrize(
    "command", [["sample", "--json", "-l", "40", "--seed", "1", "-p", "a日日"], ["fill", "a日_"]]
)
def test_unknown_is_an_option_of_every_command(command, path, capsys):
    name, *more = command
    with pytest.raises(UnknownCharacterError):
        in_process(capsys, name, "-m", path, *more)
    skipped, replaced = (
        in_process(capsys, name, "-m", path, *more, "--unknown", p)[0] for p in ("skip", "replace")
    )
    assert skipped and replaced and skipped != replaced


@pytest.mark.parametrize("characters", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
def test_both_normal_forms_of_a_text_are_one_where_unknown_characters_are_skipped(
    characters, tmp_path, capsys
):
    """What only its form makes unknown is no unknown character: 日 alone is left out, of either form."""
    path = str(written(tmp_path, model_of(characters)))
    texts = [unicodedata.normalize(form, "fac日 café") for form in ("NFC", "NFD")]
    out, _ = in_process(capsys, "score", "-m", path, "--unknown", "skip", "--json", *texts)
    one, other = map(json.loads, out.splitlines())
    assert one["unknown"] == other["unknown"] == 1
    same = ("chars", "log_prob", "bits_per_char", "scored")
    assert [one.get(name) for name in same] == [other.get(name) for name in same]
    drawn = [
        in_process(
            capsys,
            "sample",
            "-m",
            path,
            "--unknown",
            "skip",
            "--no-echo",
            "--seed",
            "1",
            "-l",
            "30",
            "-p",
            text,
        )[0]
        for text in (*texts, "fac café")
    ]
    assert drawn[0] == drawn[1] == drawn[2]
