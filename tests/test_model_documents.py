"""What a model file says of its documents: those of its training are known, and nothing else is believed."""

import numpy as np
import pytest

from charnn.data.document_hash import document_hash
from charnn.storage.model_documents import MAX_SEPARATOR, ModelDocuments, stored_hashes

GIVEN = {"kind": "lines", "separator": "\n", "count": 2}


def hashes_of(*documents: str) -> np.ndarray:
    return stored_hashes(np.array([document_hash(text) for text in documents], np.uint64))


def test_documents_are_known_by_their_hashes() -> None:
    documents = ModelDocuments.parse(GIVEN, hashes_of("Anna", "Emma", "Emma"))
    assert documents.contains("Anna") and documents.contains("Emma") and not documents.contains("Olga")


@pytest.mark.parametrize("hashes", [None, hashes_of()], ids=["too many to keep", "none"])
def test_without_hashes_none_is_known(hashes: np.ndarray | None) -> None:
    assert not ModelDocuments.parse(GIVEN, hashes).contains("Anna")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 1}, "a kind, a separator and a count"),
        ({"separator": None}, "a kind, a separator and a count"),
        ({"count": True}, "a kind, a separator and a count"),
        ({"count": -1}, "a kind, a separator and a count"),
        ({"separator": "x" * (MAX_SEPARATOR + 1)}, "separator is empty, or longer than"),
        ({"separator": ""}, "separator is empty"),
    ],
)
def test_what_does_not_describe_documents_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelDocuments.parse(GIVEN | change, None)


@pytest.mark.parametrize("hashes", [[2, 1], [1, 1]])
def test_hashes_that_are_not_sorted_are_refused(hashes: list[int]) -> None:
    with pytest.raises(ValueError, match="not sorted"):
        ModelDocuments.parse(GIVEN, np.array(hashes, np.uint32))
