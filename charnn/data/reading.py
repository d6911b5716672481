"""Sources → the text to encode: decoded, line ends unified, cut into documents where the corpus is a collection."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from charnn.config import Errors, Newlines
from charnn.data.detect import detect_kind
from charnn.data.documents import FILE_END, marked, marked_records, separator_of
from charnn.data.encodings import UTF8
from charnn.data.records import RECORD_SUFFIXES, read_parquet, read_records, record_suffix
from charnn.data.sources import Source
from charnn.data.streams import Document, Tally, documents
from charnn.data.utf8 import decoded, unified, unified_text
from charnn.errors import CorpusError, InputError

_SAMPLE = 1 << 18  # characters, from which the kind of documents is told


@dataclass(frozen=True)
class ReadOptions:
    """How sources are read. `documents` is a kind, the text between documents, or "auto"."""

    separator: str = ""
    errors: Errors = "strict"
    documents: str = "none"
    columns: tuple[str, ...] = ()
    newlines: Newlines = "lf"
    encoding: str = UTF8


@dataclass
class Findings:
    """What reading found out: the kind of documents, why, what separates them."""

    kind: str = "none"
    reason: str = ""
    separator: str = ""


def read_corpus(
    sources: Sequence[Source], options: ReadOptions, tally: Tally, findings: Findings, chunk_size: int
) -> Iterator[str]:
    """The text of all sources in pieces; keeps `tally` and `findings` current.

    One continuous text has `options.separator` between files; documents are marked (see charnn.data.documents).
    Raises CorpusError for what can't be read, InputError for options that contradict each other.
    """
    rest = (file for source in sources for file in documents(source, tally, chunk_size))
    first = next(rest, None)
    if first is None:
        return
    files = chain([first], rest)
    _choose_by_options(first.name, options, findings)
    if findings.kind == "records":
        yield from marked_records(_record_texts(files, options, tally))
        return
    pieces = _pieces(files, options, tally)
    sample, pieces = _sampled(pieces)
    if findings.kind == "auto":
        findings.kind, findings.reason = detect_kind(sample, len(sample) < _SAMPLE)
    if findings.kind == "none":
        yield from (options.separator if piece == FILE_END else piece for piece in pieces)
        return
    findings.separator = separator_of(findings.kind, sample)
    yield from marked(pieces, findings.kind, findings.separator)


def _choose_by_options(first: str, options: ReadOptions, findings: Findings) -> None:
    """The kind, unless the text itself must tell ("auto")."""
    findings.kind, findings.separator = options.documents, separator_of("records")
    suffix = record_suffix(first)
    if options.documents == "auto" and options.separator:
        findings.kind, findings.reason = "none", "--separator joins files into one text"
    elif options.documents == "auto" and suffix:
        findings.kind, findings.reason = "records", f"{suffix} files hold records"
    if options.columns and findings.kind != "records":
        names = " ".join(RECORD_SUFFIXES)
        raise InputError(f"--column names a field of {names} records; {first} is read as text")


def _record_texts(files: Iterable[Document], options: ReadOptions, tally: Tally) -> Iterator[str]:
    for file in files:
        match record_suffix(file.name):
            case None:
                raise CorpusError(
                    f"{file.name} holds no records ({' '.join(RECORD_SUFFIXES)}); "
                    "name record files alone, or say what a document is: --documents lines"
                )
            case ".parquet":
                texts = read_parquet(file.name, file.chunks, options.columns, options.errors)
            case _:
                pieces = decoded(file, options.errors, tally, options.encoding)
                lines = lines_of(_unified(pieces, options, Tally()))  # between records line ends are no text
                texts = read_records(file.name, lines, options.columns, options.errors)
        yield from texts if options.newlines == "keep" else (unified_text(text, tally) for text in texts)


def _pieces(files: Iterable[Document], options: ReadOptions, tally: Tally) -> Iterator[str]:
    """The text of all files in pieces, FILE_END between files."""
    is_first = True
    for file in files:
        if not is_first:
            yield FILE_END
        is_first = False
        yield from _unified(decoded(file, options.errors, tally, options.encoding), options, tally)


def _sampled(pieces: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The beginning of a text, a newline between files, and all of its pieces."""
    head, size = [], 0
    for piece in pieces:
        head.append(piece)
        size += len(piece)
        if size >= _SAMPLE:
            break
    sample = "".join("\n" if piece == FILE_END else piece for piece in head)
    return sample[:_SAMPLE], chain(head, pieces)


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces of text → its lines, each with its newline."""
    begun: list[str] = []
    for piece in pieces:
        first, *rest = piece.split("\n")
        begun.append(first)
        for line in rest:
            yield "".join(begun) + "\n"
            begun = [line]
    if any(begun):
        yield "".join(begun) + "\n"


def _unified(pieces: Iterable[str], options: ReadOptions, tally: Tally) -> Iterable[str]:
    return pieces if options.newlines == "keep" else unified(pieces, tally)
