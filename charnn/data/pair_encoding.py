"""Pairs → provisional ids on disk: a collection whose documents are pairs, each part's end a mark of its own.

    MARK  source DIVIDER features DIVIDER target MARK  source DIVIDER …

Symbols are glyphs there (see `data.symbols`), the divider a lone surrogate, which no decoded text contains.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

from charnn.data.addresses import without_secrets
from charnn.data.cache import EncodedText, Recalled, open_encoded, recall, remember, store, temporary_entry
from charnn.data.documents import MARK, marked_records
from charnn.data.encode import Encoder, Progress, are_current, are_settled
from charnn.data.pair_files import CHUNK, Pair, PairOptions, read_pairs
from charnn.data.reading import Findings
from charnn.data.sources import FileStamp, LeftOut, describe, file_stamps, list_sources
from charnn.data.streams import Tally
from charnn.data.symbols import Glyphs, Separators

KIND = "pairs"
DIVIDER = "\udbff"  # of which UTF-8's second byte is another than the mark's


def encode_pairs(
    names: tuple[str, ...],
    options: PairOptions,
    *,
    progress: Progress | None = None,
    chunk_size: int = CHUNK,
) -> EncodedText:
    """The pairs of files, encoded: from the cache, else read once.

    Raises CorpusError for what can't be read or is no pair, CharnnError when the cache can't be written.
    """
    left_out = LeftOut()
    listed = list_sources(names, left_out)
    stamps = file_stamps(listed)
    key = _key(stamps, options)
    if (known := recall(key)) and (encoded := open_encoded(known.sha256)):
        return replace(encoded, files=len(listed), left_out=describe(left_out), **known.findings)
    total = sum(stamp.size for stamp in stamps) if stamps else None
    tally, glyphs = Tally(), Glyphs()
    pairs = read_pairs(listed, options, tally, chunk_size)
    used = options.separators.swapped() if options.columns.reverse else options.separators
    with temporary_entry() as folder, Encoder(folder, MARK) as encoder:
        for text in marked_pairs(pairs, glyphs, used):
            encoder.add(text)
            if progress:
                progress(tally.done, total)
        meta = encoder.finish(Findings(KIND), glyphs.symbols) | {"replaced": tally.replaced}
        encoded = store(folder, meta, tuple(map(without_secrets, names)))
    found = Recalled(encoded.sha256, tally.replaced, "", tally.newlines, tally.nuls)
    if stamps and are_settled(stamps) and are_current(stamps, listed):
        remember(key, found)
    return replace(encoded, files=len(listed), left_out=describe(left_out), **found.findings)


def marked_pairs(pairs: Iterable[Pair], glyphs: Glyphs, separators: Separators) -> Iterator[str]:
    """Pairs → marked text, in pieces."""
    return marked_records(
        DIVIDER.join(
            (
                glyphs.encode(pair.source, separators.source),
                glyphs.encode(pair.features, separators.features),
                glyphs.encode(pair.target, separators.target),
            )
        )
        for pair in pairs
    )


def _key(stamps: list[FileStamp] | None, options: PairOptions) -> str:
    """The name under which an unchanged list of files is remembered."""
    return hashlib.sha256(json.dumps([stamps, asdict(options)]).encode()).hexdigest()
