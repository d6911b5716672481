"""What a model file says of the documents that its model was trained on, and which those were."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.data.document_hash import document_hash

MAX_SEPARATOR = 10_000  # characters
MAX_HASHES = 1 << 21  # documents, at four bytes each; of more none are kept
_SHIFT = np.uint64(32)


@dataclass(frozen=True)
class ModelDocuments:
    """The collection a model was trained on: `kind` of documents, the `separator` between them, their number.

    `hashes` are the upper halves of the hashes of the training documents, sorted, each once: of a new document about
    one in 2³² / n is taken for a known one. None where there were too many.
    """

    kind: str
    separator: str
    count: int
    hashes: NDArray[np.uint32] | None = field(default=None, compare=False, repr=False)

    def contains(self, text: str) -> bool:
        """Whether the training part has this document, or a hash says so by accident. False without hashes."""
        if self.hashes is None or not len(self.hashes):
            return False
        found = np.uint32(document_hash(text) >> int(_SHIFT))
        place = int(np.searchsorted(self.hashes, found))
        return place < len(self.hashes) and bool(self.hashes[place] == found)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "separator": self.separator, "count": self.count}

    @classmethod
    def parse(cls, values: Any, hashes: NDArray[np.uint32] | None) -> "ModelDocuments":
        """From a file's JSON. Raises ValueError for what isn't such."""
        given = values if isinstance(values, dict) else {}
        kind, separator, count = given.get("kind"), given.get("separator"), given.get("count")
        if not isinstance(kind, str) or not isinstance(separator, str) or type(count) is not int or count < 0:
            raise ValueError("its documents are not described by a kind, a separator and a count")
        if not 0 < len(separator) <= MAX_SEPARATOR:
            raise ValueError(f"its documents' separator is empty, or longer than {MAX_SEPARATOR} characters")
        if hashes is not None and (hashes[1:] <= hashes[:-1]).any():
            raise ValueError("its documents' hashes are not sorted")
        return cls(kind, separator, count, hashes)


def stored_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """What a model file keeps of its training documents' hashes."""
    halves = np.sort((hashes >> _SHIFT).astype(np.uint32))
    return halves[np.append(True, halves[1:] != halves[:-1])] if len(halves) else halves
