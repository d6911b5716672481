"""Samples as they are asked for, and how they are shown."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from math import inf, log
from typing import TYPE_CHECKING, cast

from charnn.cli.surprisal_colors import band, note_legend, paint
from charnn.cli.terminal import colours_in, escape, json_line, note
from charnn.config import SampleConfig

if TYPE_CHECKING:
    from charnn.analysis.novelty import Overlap
    from charnn.data.cache import EncodedText
    from charnn.inference.generate import Sample
    from charnn.inference.model import Model, SampleOptions

_MEASURED = 256  # samples looked up in a corpus together
_NATS_PER_BIT = log(2)

Characters = Iterable[
    tuple[str, float]
]  # each with its surprisal in bits; runs with 0 where nobody looks at it


@dataclass(frozen=True)
class Request:
    """`count` samples after `prompt` for each of `configs`, each the best of `best_of` and of at most `lines` lines.

    With a `corpus`, what each copied from it is said too.
    """

    model: "Model"
    prompt: str
    configs: tuple[SampleConfig, ...]
    count: int
    best_of: int
    lines: int | None
    seed: int
    corpus: "EncodedText | None" = None

    @property
    def total(self) -> int:
        return len(self.configs) * self.count


def print_json(request: Request) -> None:
    """One JSON object a line on stdout; `index` counts them all."""
    groups = [_drawn(request, config) for config in request.configs]
    for index, (sample, more) in enumerate(_with_novelty(request, chain.from_iterable(groups))):
        print(json_line(asdict(replace(sample, index=index)) | more), flush=True)


def print_texts(request: Request, *, echo: bool, color: bool) -> None:
    """The samples on stdout, a blank line between them; headings on stderr where there are several."""
    terminal, coloured = sys.stdout.isatty(), color and colours_in(sys.stdout)
    show = escape if terminal else str
    if coloured:
        note_legend()
    line_end = ""
    texts: list[str] = []
    # All are checked before there is any output.
    groups = [_texts(request, config, coloured) for config in request.configs]
    for number, (score, characters) in enumerate(chain.from_iterable(groups)):
        if number:
            sys.stdout.write(line_end + "\n")
        if heading := _heading(request, number, score):
            note(heading)
        last = request.prompt if echo else ""
        sys.stdout.write(show(last))
        sys.stdout.flush()
        for run, bits in characters if request.corpus is None else _kept(characters, texts):
            sys.stdout.write(paint(show(run), band(bits)))
            sys.stdout.flush()
            last = run or last
        line_end = "" if last.endswith("\n") else "\n"
    if terminal:
        sys.stdout.write(line_end)
    for number, copy in enumerate(_copied(request, texts), 1):
        note(
            f"copied in sample {number}: {_novelty(copy)}"
            if request.total > 1
            else f"copied: {_novelty(copy)}"
        )


def _texts(
    request: Request, config: SampleConfig, coloured: bool
) -> Iterator[tuple[float | None, Characters]]:
    """Each sample's characters; before them, where the best were chosen, its bits per character."""
    if request.count == request.best_of == 1:
        return iter([(None, _streamed(request, config, coloured))])
    return (
        (
            -_log_prob_per_char(sample) / _NATS_PER_BIT if request.best_of > 1 else None,
            zip(sample.text, _surprisals(request, sample), strict=True) if coloured else [(sample.text, 0.0)],
        )
        for sample in _drawn(request, config)
    )


def _streamed(request: Request, config: SampleConfig, coloured: bool) -> Characters:
    """The characters of a single sample as they are made."""
    characters: Characters
    if coloured:
        scored = request.model.stream_scored(request.prompt, seed=request.seed, **_options(config))
        characters = ((character, -log_prob / _NATS_PER_BIT) for character, log_prob in scored)
    else:
        stream = request.model.stream(request.prompt, seed=request.seed, **_options(config))
        characters = zip(stream, repeat(0.0), strict=False)
    return characters if request.lines is None else _first_lines(characters, request.lines)


def _first_lines(characters: Characters, lines: int) -> Characters:
    for character, bits in characters:
        yield character, bits
        lines -= character == "\n"
        if not lines:
            return


def _drawn(request: Request, config: SampleConfig) -> Iterator["Sample"]:
    """The samples of one configuration, cut to their lines, the best of each group."""
    samples = request.model.sample_many(
        request.count * request.best_of, request.prompt, seed=request.seed, **_options(config)
    )
    if request.lines is not None:
        samples = map(partial(_cut, request, request.lines), samples)
    return (max(islice(samples, request.best_of), key=_log_prob_per_char) for _ in range(request.count))


def _cut(request: Request, lines: int, sample: "Sample") -> "Sample":
    """The sample's first lines, scored as what they are now."""
    kept = sample.text.split("\n", lines)
    if len(kept) <= lines:
        return sample
    text = "".join(f"{line}\n" for line in kept[:lines])
    score = request.model.score(text, context=request.prompt)
    return replace(sample, text=text, log_prob=score.log_prob, chars=score.chars, stopped=False)


def _kept(characters: Characters, texts: list[str]) -> Characters:
    """The characters as they come; once they are over, their text is added to `texts`."""
    pieces = []
    for run, bits in characters:
        pieces.append(run)
        yield run, bits
    texts.append("".join(pieces))


def _with_novelty(
    request: Request, samples: Iterator["Sample"]
) -> Iterator[tuple["Sample", dict[str, float | None]]]:
    """Each sample and what else is to be said of it."""
    if request.corpus is None:
        yield from zip(samples, repeat({}), strict=False)
    while block := list(islice(samples, _MEASURED)):
        for sample, copy in zip(block, _copied(request, [one.text for one in block]), strict=True):
            yield sample, {"longest_copied": copy.longest, "copied_share": copy.share}


def _copied(request: Request, texts: list[str]) -> list["Overlap"]:
    if request.corpus is None:
        return []
    from charnn.analysis.novelty import overlap

    return overlap(texts, request.corpus)


def _novelty(copy: "Overlap") -> str:
    longest = f"{copy.longest} characters in a row at most"
    return longest if copy.share is None else f"{longest}, {copy.share:.1%} of all stretches of 20 characters"


def _surprisals(request: Request, sample: "Sample") -> Iterable[float]:
    bits: list[float] = request.model.score(sample.text, context=request.prompt).surprisal_bits.tolist()
    return bits


def _log_prob_per_char(sample: "Sample") -> float:
    """In nats; an empty sample is never the best."""
    return sample.log_prob / sample.chars if sample.chars else -inf


def _options(config: SampleConfig) -> "SampleOptions":
    return cast("SampleOptions", asdict(config))


def _heading(request: Request, number: int, score: float | None) -> str:
    """What stderr says above a sample: nothing above a single one, unless it was chosen."""
    parts = []
    if request.total > 1:
        temperature = request.configs[number // request.count].temperature
        parts.append(f"sample {number + 1} of {request.total}, temperature {temperature:g}")
    if score is not None:
        parts.append(f"best of {request.best_of}: {score:.4f} bits per character")
    return "; ".join(parts)
