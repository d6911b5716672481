"""Samples that no training document equals."""

from collections.abc import Iterator
from dataclasses import replace

from charnn.errors import CharnnError, InputError
from charnn.inference.generate import Sample
from charnn.storage.model_documents import ModelDocuments

MOST_PASSED_OVER = 20_000  # in a row; then the model knows no others


def known_documents(documents: ModelDocuments | None) -> ModelDocuments:
    """The documents to compare with. Raises InputError where the model holds none."""
    if documents is None:
        raise InputError("--new is for models of documents; this one was trained on one continuous text")
    if documents.hashes is None:
        raise InputError(f"--new: the model holds no list of its {documents.count:,} training documents")
    return documents


def only_new(samples: Iterator[Sample], prompt: str, known: ModelDocuments, count: int) -> Iterator[Sample]:
    """The first `count` of endless samples that aren't among the known documents, numbered anew.

    Raises CharnnError after MOST_PASSED_OVER known ones in a row.
    """
    index = passed_over = 0
    for sample in samples:
        if sample.reason == "end" and known.contains(prompt + sample.text):
            passed_over += 1
            if passed_over == MOST_PASSED_OVER:
                raise CharnnError(
                    f"the last {MOST_PASSED_OVER:,} samples are all training documents; try a higher --temp"
                )
            continue
        yield replace(sample, index=index, passed_over=passed_over)
        index, passed_over = index + 1, 0
        if index == count:
            return
