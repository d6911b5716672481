"""The texts of .csv, .tsv, .jsonl and .parquet records: one field of each, or several joined by a tab."""

import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any, cast

from charnn.config import Errors
from charnn.data.vocab import UNKNOWN_GLYPH
from charnn.errors import CorpusError

RECORD_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
FIELD_JOINT = "\t"

_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_PROBED_RECORDS = 1000  # at the beginning of a file, to tell which of its fields hold text
_PARQUET_BATCH = 4096  # records
_SHOWN_FIELDS, _SHOWN_NAME = 20, 40  # in errors, and the characters of each

Choose = Callable[[str, Sequence[str], Sequence[str]], list[str]]
"""(a file's name, its fields, those that hold text) → the fields to read. Raises CorpusError."""


def record_suffix(name: str) -> str | None:
    """Which of RECORD_SUFFIXES a file's name ends in, a compression's suffix aside; None when it is none of them."""
    path = PurePosixPath(name.partition("?")[0] if "://" in name else name)
    if path.suffix.lower() in _COMPRESSIONS:
        path = path.with_suffix("")
    suffix = path.suffix.lower()
    return suffix if suffix in RECORD_SUFFIXES else None


def read_records(name: str, lines: Iterable[str], columns: Sequence[str], errors: Errors) -> Iterator[str]:
    """The texts of a .csv, .tsv or .jsonl file, whose `lines` end in their newlines.

    `columns` empty: the only field that holds text. Raises CorpusError, naming the file and the line, for what can't
    be parsed, for a field that isn't there or isn't text, and where `columns` is needed.
    """
    for _, row in read_rows(name, lines, _chooser(columns), errors):
        yield FIELD_JOINT.join(row)


def read_rows(
    name: str, lines: Iterable[str], choose: Choose, errors: Errors
) -> Iterator[tuple[int, list[str]]]:
    """The chosen fields of a .csv, .tsv or .jsonl file's records, each with the line where it begins.

    Raises CorpusError as `read_records` does.
    """
    suffix = record_suffix(name)
    records = _json_records(name, lines) if suffix == ".jsonl" else _table_records(name, lines, suffix)
    head = list(islice(records, _PROBED_RECORDS))
    if not head:
        return
    fields = list(dict.fromkeys(chain.from_iterable(record for _, record in head)))
    textual = [field for field in fields if any(_is_text(record.get(field)) for _, record in head)]
    chosen = choose(name, fields, textual)
    for line, record in chain(head, records):
        yield line, [_field(name, line, record, field, errors) for field in chosen]


def read_parquet(name: str, chunks: Iterable[bytes], columns: Sequence[str], errors: Errors) -> Iterator[str]:
    """The texts of a Parquet file, a batch of records in memory at a time; missing values are empty.

    Raises CorpusError as `read_records` does, and without pyarrow.
    """
    return map(FIELD_JOINT.join, read_parquet_rows(name, chunks, _chooser(columns), errors))


def read_parquet_rows(
    name: str, chunks: Iterable[bytes], choose: Choose, errors: Errors
) -> Iterator[list[str]]:
    """The chosen fields of a Parquet file's records, as `read_parquet` reads them."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CorpusError(f"{name} needs a library more ({error}); pip install 'charnn[parquet]'") from error
    with tempfile.TemporaryFile() as spool:  # a Parquet file's directory stands at its end
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        try:
            table = parquet.ParquetFile(spool)
            schema = table.schema_arrow
            textual = [field.name for field in schema if _is_arrow_text(pyarrow.types, field.type)]
            chosen = choose(name, schema.names, textual)
            if odd := [field for field in chosen if field not in textual]:
                raise CorpusError(f"{name}: the field {odd[0]!r} isn't text; {_named(textual)}")
            if twice := [field for field in chosen if schema.names.count(field) > 1]:
                raise CorpusError(f"{name} has more than one field {twice[0]!r}; give each a name of its own")
            for batch in table.iter_batches(_PARQUET_BATCH, columns=chosen):
                values = [_texts(name, field, batch.column(field), errors) for field in chosen]
                yield from map(list, zip(*values, strict=True))
        except (pyarrow.ArrowException, OSError) as error:
            raise CorpusError(
                f"{name} isn't a whole Parquet file ({_first_line(error)}); make it again"
            ) from error


def _texts(name: str, field: str, column: Any, errors: Errors) -> list[str]:
    """A column of a batch; nobody has looked yet whether it is UTF-8."""
    try:
        return [value or "" for value in column.to_pylist()]
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise CorpusError(
                f"{name}: the field {field!r} holds what isn't UTF-8 ({error.object[:20]!r}); "
                "mend it, or use --errors replace"
            ) from None
    values = column.dictionary_decode() if hasattr(column, "dictionary_decode") else column
    return [(value or b"").decode("utf-8", errors) for value in values.cast("large_binary").to_pylist()]


def _chooser(columns: Sequence[str]) -> Choose:
    return lambda name, fields, textual: choose_columns(name, columns, fields, textual)


def choose_columns(
    name: str, wanted: Sequence[str], fields: Sequence[str], textual: Sequence[str]
) -> list[str]:
    """The fields to read: those wanted, or the only one that holds text.

    Raises CorpusError that names the fields there are.
    """
    for field in wanted:
        if field not in fields:
            raise CorpusError(f"{name} has no field {field!r}; give --column one of {listed(fields)}")
    if wanted:
        return list(wanted)
    if len(textual) == 1:
        return list(textual)
    if not textual:
        raise CorpusError(f"{name} has no field that holds text, of {listed(fields)}")
    raise CorpusError(f"{name} has several fields of text; choose with --column one of {listed(textual)}")


def _json_records(name: str, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            record = json.loads(line.rstrip())  # so that an error is within the line
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"{name}, line {number} isn't JSON ({_first_line(error)}); mend or remove it"
            ) from None
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict):
            raise CorpusError(
                f'{name}, line {number} isn\'t a JSON object; write {{"text": "…"}} on each line'
            )
        yield number, record


def _table_records(
    name: str, lines: Iterable[str], suffix: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = iter(lines)
    header = next(lines, "")
    if suffix == ".tsv":
        reader = csv.reader(chain([header], lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(chain([header], lines), delimiter=_delimiter(header), strict=True)
    start = 1
    with _any_field_size():
        try:
            fields = next(reader, [])
            start = reader.line_num + 1
            for row in reader:
                if row:
                    if len(row) != len(fields):
                        raise CorpusError(
                            f"{name}, line {start} has {len(row)} fields, the first line {len(fields)}; "
                            "quote fields that hold the delimiter"
                        )
                    yield start, dict(zip(fields, row, strict=True))
                start = reader.line_num + 1
        except csv.Error as error:
            raise CorpusError(
                f"{name}, line {start} isn't {(suffix or '')[1:].upper()} ({error}); check its quotes"
            ) from None


def _delimiter(header: str) -> str:
    """The comma; the semicolon that spreadsheets write where the comma is the decimal sign; or a tab."""
    return max(",;\t", key=header.count)


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Without the csv module's limit of 128 KB, which is the process's."""
    before = csv.field_size_limit(min(sys.maxsize, (1 << 31) - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _is_text(value: object) -> bool:
    """A string that isn't empty and doesn't read as a number."""
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _field(name: str, line: int, record: dict[str, Any], field: str, errors: Errors) -> str:
    if field not in record:
        raise CorpusError(
            f"{name}, line {line} has no field {field!r}; its fields are {listed(list(record))}"
        )
    value = record[field]
    if not isinstance(value, str):
        raise CorpusError(f"{name}, line {line}: the field {field!r} isn't text but {_kind(value)}")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        if errors == "strict":
            raise CorpusError(
                f"{name}, line {line}: the field {field!r} isn't valid text (half a surrogate pair); "
                "mend it, or use --errors replace"
            ) from None
        return "".join(
            UNKNOWN_GLYPH if "\ud800" <= character <= "\udfff" else character for character in value
        )
    return value


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


def _is_arrow_text(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    return cast(bool, types.is_string(kind) or types.is_large_string(kind))


def _named(fields: Sequence[str]) -> str:
    return f"those that are: {listed(fields)}" if fields else "none is"


def listed(fields: Sequence[str]) -> str:
    """The names of the first few, on a line of some hundred characters."""
    names = [
        name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…" for name in fields[:_SHOWN_FIELDS]
    ]
    more = [f"and {len(fields) - _SHOWN_FIELDS:,} more"] if len(fields) > _SHOWN_FIELDS else []
    return ", ".join([*names, *more])


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
