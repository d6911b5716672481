"""What is chosen for pairs follows their number, and every choice yields to the user's own."""

import pytest

from charnn.config import DataConfig
from charnn.training.pair_recipe import LARGE, PairInputs, choose_for_pairs

DATA = DataConfig(("pairs.tsv",), layout="pairs")


def chosen(pairs, copied_share=0.0, **options):
    inputs = PairInputs(pairs, 9 * pairs, source_size=30, vocab_size=40, copied_share=copied_share)
    return choose_for_pairs(options, DATA, inputs)


def test_sizes_grow_with_the_pairs_and_dropout_shrinks():
    configs = [chosen(pairs) for pairs in (500, 5_000, 25_000, 100_000)]
    for size in (lambda c: c.model.hidden, lambda c: c.model.encoder_hidden, lambda c: c.optim.batch_size):
        assert [size(config) for config in configs] == sorted(size(config) for config in configs)
    dropouts = [config.model.dropout for config in configs]
    assert dropouts == sorted(dropouts, reverse=True)


def test_n_grams_are_for_many_pairs_and_their_rows_follow_the_text():
    few, many, more = (chosen(pairs).model for pairs in (LARGE - 1, LARGE, 16 * LARGE))
    assert (few.ngrams, few.ngram_rows, few.ngram_dropout) == (0, 0, 0.0)
    assert many.ngrams >= 3 and many.ngram_dropout > 0
    assert more.ngram_rows == 16 * many.ngram_rows


def test_symbols_that_both_sides_share_are_copied():
    assert [chosen(1000, share).model.copy_gate for share in (0.2, 0.9)] == ["off", "on"]
    assert chosen(1000, 0.9, attention="none").model.copy_gate == "off"


def test_the_fewer_pairs_the_more_are_recombined_where_symbols_are_copied():
    shares = [chosen(pairs, 0.9).optim.recombination for pairs in (1_000, 10_000, 100_000)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.5 and shares[-1] == 0
    assert chosen(1_000, 0.2).optim.recombination == 0


@pytest.mark.parametrize("plain", [{"cell": "gru"}, {"embedding": 9}, {"attention": "none"}])
def test_what_is_named_is_taken_as_it_is(plain):
    assert chosen(100_000, **plain).model.ngrams == 0


def test_the_users_own_choice_comes_first():
    own = {
        "hidden": 24,
        "encoder_hidden": 16,
        "ngrams": 4,
        "ngram_rows": 64,
        "ngram_dropout": 0.2,
        "dropout": 0.4,
    }
    model = chosen(1000, **own).model
    assert {name: getattr(model, name) for name in own} == own
    optim = {"batch_size": 5, "lr": 0.1, "label_smoothing": 0.3}
    found = chosen(100_000, **optim).optim
    assert {name: getattr(found, name) for name in optim} == optim
