"""Words hidden from the part of a corpus that training kept for validation: how many are found, and by what.

python -m benchmarks.fill [FORWARD BIDIRECTIONAL] [--corpus FILE] [--words 500] [--context 300] [--seed 0]

The models are files or runs of `charnn train CORPUS`; without them, only the one that ships is measured. The lengths of
the words are known (underscores); --context characters on either side of a word are shown.
"""

import argparse
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `charnn` itself does

from charnn import Filler, held_out, load_filler
from charnn.bundled import bundled_corpus, bundled_model
from charnn.inference.thread_pool import in_order

CORPUS = Path(__file__).parents[2] / "shared/corpora/tinyshakespeare.txt"
WORD = re.compile(r"(?<![\w'])[A-Za-z]{3,8}(?![\w'])")
SHOWN = 10


@dataclass(frozen=True)
class Hidden:
    """A word and the text around it."""

    before: str
    word: str
    after: str


@dataclass(frozen=True)
class Result:
    """The share of words that were the first fill, and among the first SHOWN."""

    name: str
    first: float
    among: float
    seconds: float

    def row(self) -> str:
        return f"| {self.name} | {self.first:.1%} | {self.among:.1%} | {self.seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", type=Path, help="forward, then bidirectional")
    default = CORPUS if CORPUS.exists() else bundled_corpus()
    parser.add_argument("--corpus", type=Path, default=default)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--context", type=int, default=300, help="characters shown on either side of a word")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = held_out([arguments.corpus])
    words = hidden_words(text, arguments.words, arguments.context, arguments.seed)
    print(f"| {len(words)} words hidden | first | among the first {SHOWN} | seconds |\n|---|---|---|---|")
    for result in results(arguments.models or [bundled_model()], words):
        print(result.row(), flush=True)


def hidden_words(text: str, count: int, context: int, seed: int) -> list[Hidden]:
    """`count` words of a text, or all if it has fewer, that have `context` characters of it on both sides."""
    found = []
    for match in WORD.finditer(text):
        before = text[max(0, match.start() - context) : match.start()]
        after = text[match.end() : match.end() + context]
        has_own_gaps = re.search(r"_|\{\}", before + after)
        if len(before) == len(after) == context and not has_own_gaps:
            found.append(Hidden(before, match[0], after))
    return random.Random(seed).sample(found, min(count, len(found)))


def results(models: Sequence[Path], words: Sequence[Hidden]) -> Iterator[Result]:
    """Forward models without and with what follows the word, bidirectional ones with both directions."""
    for path in models:
        filler = load_filler(path)
        if filler.is_bidirectional:
            yield result("bidirectional", filler, words)
        else:
            yield result("forward, from what precedes alone", filler, words, lookahead=0)
            yield result("forward, rescored with what follows", filler, words)


def result(name: str, filler: Filler, words: Sequence[Hidden], **options: int) -> Result:
    def place(hidden: Hidden) -> int:
        """How many fills come before the right one; SHOWN if it isn't there."""
        text = f"{hidden.before}{'_' * len(hidden.word)}{hidden.after}"
        fills = [filled.fills[0] for filled in filler.fill(text, count=SHOWN, **options)]
        return fills.index(hidden.word) if hidden.word in fills else SHOWN

    begun = time.perf_counter()
    places = list(in_order(place, words))
    seconds = time.perf_counter() - begun
    return Result(name, share(places, 1), share(places, SHOWN), seconds)


def share(places: Sequence[int], below: int) -> float:
    return sum(place < below for place in places) / len(places)


if __name__ == "__main__":
    main()
