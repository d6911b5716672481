import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.data.vocab import UNKNOWN_ID, Vocabulary, choose_vocabulary

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT)
def test_encoding_and_decoding_give_the_text_back(text: str) -> None:
    vocabulary = choose_vocabulary(dict.fromkeys(text, 1))
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_character_outside_the_vocabulary_has_no_id_and_reads_as_the_replacement_character() -> None:
    vocabulary = Vocabulary("ab", has_unknown=True)
    assert vocabulary.encode("a☃\U0010ffff").tolist() == [0, UNKNOWN_ID, UNKNOWN_ID]
    assert vocabulary.decode(np.array([0, vocabulary.unknown_id])) == "a\ufffd"
    assert "a" in vocabulary and "☃" not in vocabulary
    assert len(vocabulary) == 3


@pytest.mark.parametrize("characters", ["", "aa", "\ud800"])
def test_a_vocabulary_that_cannot_be_is_refused(characters: str) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(characters)


def test_characters_are_ordered_by_code_point() -> None:
    assert choose_vocabulary({"z": 9, "é": 1, "a": 5}) == Vocabulary("azé")


def test_a_limit_keeps_the_most_frequent_and_makes_the_rest_unknown() -> None:
    counts = {"a": 1, "b": 5, "c": 3, "d": 1}
    assert choose_vocabulary(counts, max_vocab=3) == Vocabulary("bc", has_unknown=True)
    assert choose_vocabulary(counts, max_vocab=4) == Vocabulary("abcd")
    assert choose_vocabulary({"d": 1, "a": 1, "c": 1}, max_vocab=2) == Vocabulary("a", has_unknown=True)


def test_a_base_keeps_its_order_and_new_characters_follow() -> None:
    base = Vocabulary("zxa")
    assert choose_vocabulary({"a": 1, "c": 1, "b": 1}, base=base) == Vocabulary("zxabc")
    assert choose_vocabulary({"b": 1}, base=Vocabulary("za", has_unknown=True)) == Vocabulary(
        "zab", has_unknown=True
    )


def test_a_base_under_a_limit_takes_only_the_most_frequent_new_characters() -> None:
    counts = {"a": 9, "b": 1, "c": 4, "d": 2}
    chosen = choose_vocabulary(counts, max_vocab=4, base=Vocabulary("az"))
    assert chosen == Vocabulary("azc", has_unknown=True)
    assert choose_vocabulary(counts, max_vocab=4, base=chosen) == chosen
