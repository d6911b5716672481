"""Recombined pairs keep their change and the end of their stem; which are recombined follows from seed and position."""

from pathlib import Path

import numpy as np
import pytest

from charnn.config import DataConfig
from charnn.data.corpus import Corpus, open_corpus
from charnn.data.recombination import KEPT, Recombination
from charnn.data.symbols import copied_ids
from charnn.data.vocab import IGNORED

STEMS = ["lantern", "harbour", "feather", "gull", "windmill", "keeper"]
ODD = ("qua", "xyz", "V")  # shares nothing


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = [(stem, "re" + stem + "ing", "V;PROG") for stem in STEMS] + [ODD]
    (tmp_path / "pairs.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    return open_corpus(DataConfig((str(tmp_path / "pairs.tsv"),), layout="pairs", val_fraction=0.0))


def recombined(corpus: Corpus, share: float, position: int = 0, seed: int = 0) -> list[tuple[str, str, int]]:
    """The source's symbols, the target and the number of features of each pair of a batch."""
    copies = copied_ids(corpus.vocabulary, corpus.pairs)
    kinds = corpus.pairs.source
    recombination = Recombination(corpus.train, copies, len(kinds), share, seed)
    batch = recombination.batch(corpus.train.batch(np.arange(corpus.train.count)), position)
    found = []
    for source, length, target in zip(batch.source.T, batch.lengths, batch.target.T, strict=True):
        assert np.all(source[length:] == IGNORED) and np.all(source[:length] != IGNORED)
        symbols = "".join(kinds[one] for one in source[:length] if one < len(kinds))
        written = [one for one in target if one != IGNORED]
        assert written[-1] == corpus.vocabulary.end_id
        found.append(
            (symbols, corpus.vocabulary.decode(written[:-1]), int((source[:length] >= len(kinds)).sum()))
        )
    return found


def test_a_pair_keeps_its_change_its_features_and_the_end_of_its_stem(corpus):
    found = recombined(corpus, 1.0)
    own = recombined(corpus, 0.0)
    assert own == [(stem, f"re{stem}ing", 2) for stem in STEMS] + [(ODD[0], ODD[1], 1)]
    assert found[-1] == own[-1]
    for (symbols, target, features), (stem, _, _) in zip(found[:-1], own, strict=False):
        assert target == f"re{symbols}ing" and features == 2
        assert symbols.endswith(stem[-KEPT:])
        assert symbols == stem or any(symbols == other[:-KEPT] + stem[-KEPT:] for other in STEMS)
    assert sum(symbols != stem for (symbols, _, _), (stem, _, _) in zip(found, own, strict=True)) >= 3


def test_what_is_drawn_follows_from_seed_and_position(corpus):
    assert recombined(corpus, 0.5, 3) == recombined(corpus, 0.5, 3)
    assert len({str(recombined(corpus, 0.5, position)) for position in range(5)}) > 1
    assert len({str(recombined(corpus, 0.5, seed=seed)) for seed in range(5)}) > 1


def test_the_share_is_kept_to(corpus):
    changed = sum(
        pair not in [(stem, f"re{stem}ing", 2) for stem in STEMS]
        for position in range(200)
        for pair in recombined(corpus, 0.3, position)[:-1]
    )
    most = 0.3 * 200 * len(STEMS)
    assert 0.4 * most < changed < 1.1 * most  # some draw themselves, or what shares nothing
