"""Pairs of texts from files: tab-separated lines, records of .csv .jsonl .parquet, or two files line by line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from charnn.config import ColumnConfig, Errors, Layout, Newlines, ReadConfig
from charnn.data.encodings import UTF8
from charnn.data.reading import lines_of
from charnn.data.records import listed, read_parquet_rows, read_rows, record_suffix
from charnn.data.sources import Source
from charnn.data.streams import Document, Tally, documents
from charnn.data.symbols import Separators
from charnn.data.utf8 import decoded, unified
from charnn.errors import CorpusError, InputError

CHUNK = 1 << 18  # bytes
SOURCE, TARGET, FEATURES = "source", "target", "features"
_RECORDS = (".csv", ".jsonl", ".parquet")
_MOST_FIELDS = 3


class Pair(NamedTuple):
    """One text, what becomes of it, and what is said besides."""

    source: str
    target: str
    features: str = ""

    def reversed(self) -> "Pair":
        return Pair(self.target, self.source, self.features)


@dataclass(frozen=True)
class PairOptions:
    """How files become pairs. `separators` are those of the columns as they stand in the files."""

    layout: Layout = "pairs"
    columns: ColumnConfig = field(default_factory=ColumnConfig)
    errors: Errors = "strict"
    newlines: Newlines = "lf"
    encoding: str = UTF8
    separators: Separators = field(default_factory=Separators)

    @classmethod
    def of(
        cls, layout: Layout, columns: ColumnConfig, reading: ReadConfig, separators: Separators | None = None
    ) -> "PairOptions":
        read = reading.errors, reading.newlines, reading.encoding
        return cls(layout, columns, *read, separators or Separators())


def read_pairs(
    sources: Sequence[Source], options: PairOptions, tally: Tally, chunk_size: int = CHUNK
) -> Iterator[Pair]:
    """The pairs of all sources; keeps `tally` current.

    Raises CorpusError, naming file and line, for what is no pair: a line without a tab, a source or target that is
    empty or nothing but separators.
    """
    if options.layout == "parallel":
        pairs = _parallel(sources, options, tally, chunk_size)
    else:
        files = (file for source in sources for file in documents(source, tally, chunk_size))
        pairs = (pair for file in files for pair in _file_pairs(file, options, tally))
    return (pair.reversed() for pair in pairs) if options.columns.reverse else pairs


def _file_pairs(file: Document, options: PairOptions, tally: Tally) -> Iterator[Pair]:
    suffix = record_suffix(file.name)
    if suffix not in _RECORDS:
        _refuse_columns(file.name, options.columns)
        yield from _tab_separated(file.name, _lines(file, options, tally), options.separators)
        return
    choose = _Columns(options.columns)
    if suffix == ".parquet":
        rows = enumerate(read_parquet_rows(file.name, file.chunks, choose, options.errors), 1)
        named = ((f"{file.name}, record {number}", row) for number, row in rows)
    else:
        lines = _lines(file, options, tally)
        records = read_rows(file.name, lines, choose, options.errors)
        named = ((f"{file.name}, line {number}", row) for number, row in records)
    yield from (_pair(where, row, options.separators) for where, row in named)


def _tab_separated(name: str, lines: Iterable[str], separators: Separators) -> Iterator[Pair]:
    """The pairs of lines; empty lines are none."""
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\n")
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) == 1:
            raise CorpusError(
                f"{name}, line {number} has no tab; write a source, a tab and its target on each line"
            )
        if len(fields) > _MOST_FIELDS:
            raise CorpusError(
                f"{name}, line {number} has {len(fields)} fields; a pair has a source, a target and perhaps features"
            )
        yield _pair(f"{name}, line {number}", fields, separators)


def _pair(where: str, fields: Sequence[str], separators: Separators) -> Pair:
    pair = Pair(*fields)
    for part in (SOURCE, TARGET):
        if not getattr(pair, part).replace(getattr(separators, part), "").strip():
            raise CorpusError(f"{where} has an empty {part}; fill it in or remove it")
    return pair


def _parallel(
    sources: Sequence[Source], options: PairOptions, tally: Tally, chunk_size: int
) -> Iterator[Pair]:
    names = [source.shown for source in sources]
    if len(sources) != 2:
        raise InputError("--source and --target name one file each")
    sides = (
        (line for file in documents(one, tally, chunk_size) for line in _lines(file, options, tally))
        for one in sources
    )
    for number, (source, target) in enumerate(zip_longest(*sides), 1):
        if source is None or target is None:
            shorter = names[source is not None]
            raise CorpusError(
                f"{shorter} ends before line {number}, which {names[source is None]} has; "
                "the two need equally many lines"
            )
        if source.strip() or target.strip():
            where = f"line {number} of {names[0]} and {names[1]}"
            yield _pair(where, (source[:-1], target[:-1]), options.separators)


def _lines(file: Document, options: PairOptions, tally: Tally) -> Iterator[str]:
    """The lines of a file, each with its newline."""
    pieces = decoded(file, options.errors, tally, options.encoding)
    return lines_of(pieces if options.newlines == "keep" else unified(pieces, tally))


@dataclass(frozen=True)
class _Columns:
    """Chooses the fields of records: those that are named, else `source`, `target` and, where it is, `features`."""

    columns: ColumnConfig

    def __call__(self, name: str, fields: Sequence[str], textual: Sequence[str]) -> list[str]:
        wanted = [
            (self.columns.source_column or SOURCE, "--source-column"),
            (self.columns.target_column or TARGET, "--target-column"),
        ]
        if self.columns.features_column or FEATURES in fields:
            wanted.append((self.columns.features_column or FEATURES, "--features-column"))
        for field_name, option in wanted:
            if field_name not in fields:
                raise CorpusError(
                    f"{name} has no field {field_name!r}; give {option} one of {listed(fields)}"
                )
        return [field_name for field_name, _ in wanted]


def _refuse_columns(name: str, columns: ColumnConfig) -> None:
    if columns.source_column or columns.target_column or columns.features_column:
        raise InputError(
            f"--source-column, --target-column and --features-column name fields of {' '.join(_RECORDS)} records; "
            f"{name} is read as source, tab, target"
        )
