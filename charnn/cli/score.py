"""`charnn score`: how likely each text is."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import typer

from charnn.cli.heat import note_legend
from charnn.cli.heatmap import page
from charnn.cli.inputs import STDIN, read_lines
from charnn.cli.models import MODEL_DEFAULT, announced_model
from charnn.cli.options import option
from charnn.cli.score_output import View, heading, json_value, rendered
from charnn.cli.scoring import Query, Result, Total
from charnn.cli.terminal import json_line, note
from charnn.errors import InputError
from charnn.files import write_atomically

WHAT = "What is scored"
HOW = "How"
OUTPUT = "What is shown"

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT", help="Each is a text; - is standard input, as is none.", show_default=False
    ),
]
Files = Annotated[
    list[str] | None,
    option("-f --file", WHAT, "FILE", "A file with one text a line; repeat it for more files."),
]
Whole = Annotated[bool, option("--whole", WHAT, None, "Make each file (or standard input) one text.")]
Models = Annotated[
    list[str] | None,
    option(
        "-m --model",
        HOW,
        "PATH",
        "A .safetensors file or a run's folder. Repeated: each model's score, and their log-likelihood ratio in nats "
        "(the first against the best of the others).",
        default=MODEL_DEFAULT,
    ),
]
Context = Annotated[
    str,
    option(
        "--context", HOW, "TEXT", "What came before, after one newline; it isn't scored.", default="nothing"
    ),
]
UnknownPolicy = Annotated[
    Literal["error", "skip", "replace"],
    option("--unknown", HOW, None, "What becomes of a character that the model never saw."),
]
Rank = Annotated[
    bool, option("--rank", OUTPUT, None, "Likeliest first, by the first model's bits per character.")
]
Chars = Annotated[
    bool,
    option(
        "--chars",
        OUTPUT,
        None,
        "Every character with its surprisal in bits: colours on a terminal, a list elsewhere.",
    ),
]
Top = Annotated[
    int, option("--top", OUTPUT, "N", "List the N likeliest characters at each place; 0 is off.", least=0)
]
Html = Annotated[str | None, option("--html", OUTPUT, "FILE", "Write the heat map as a web page too.")]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a line: text (with --whole: file), chars, log_prob (natural log), bits_per_char, perplexity, "
        "unknown; with --chars surprisal_bits.",
    ),
]


def score(
    texts: Texts = None,
    file: Files = None,
    whole: Whole = False,
    model: Models = None,
    context: Context = "",
    unknown: UnknownPolicy = "error",
    rank: Rank = False,
    chars: Chars = False,
    top: Top = 0,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Say how likely each text is. In a pipe the columns are separated by tabs and have no heading.

    Example: charnn score "To be, or not to be" "To be, or be to not"
    """
    _refuse_misfits(whole=whole, top=top, ordered_stretches=rank and (chars or html is not None))
    paths: list[str | None] = list(model) if model else [None]
    query = Query(tuple(map(announced_model, paths)), context, unknown, top)
    results = _results(query, texts or [], file or [], whole)
    if not (chars or html):
        results = (result for result in results if result.kind != "stretch")
    if rank:
        results = iter(sorted(results, key=attrgetter("rank")))
    shown = _shown_as_json(results, query, chars) if as_json else _shown(results, query, chars)
    shown = _summed(shown, query)
    if html is None:
        deque(shown, maxlen=0)
    else:
        write_atomically(Path(html), page(shown, str(query.models[0].path)))


def _refuse_misfits(*, whole: bool, top: int, ordered_stretches: bool) -> None:
    if whole and top:
        raise InputError("--top works on texts and lines, not on --whole files; leave one of them out")
    if whole and ordered_stretches:
        raise InputError(
            "--rank orders texts, not the stretches that --whole shows; leave out --chars and --html"
        )


def _results(query: Query, texts: list[str], files: list[str], whole: bool) -> Iterator[Result]:
    """Results for the texts, then for the files; for standard input where neither is given."""
    plain = [text for text in texts if text != STDIN]
    names = files + [STDIN] * (len(texts) > len(plain) or (not texts and not files))
    if whole:
        yield from query.texts(plain)
        yield from chain.from_iterable(map(query.file, names))
    else:
        yield from query.texts(chain(plain, chain.from_iterable(map(read_lines, names))))


def _shown(results: Iterable[Result], query: Query, chars: bool) -> Iterator[Result]:
    """Each result, once it stands on stdout."""
    view = View.of_stdout(chars, query.top)
    if view.heat:
        note_legend()
    if view.terminal:
        print(heading(len(query.models)))
    for result in results:
        sys.stdout.write(rendered(result, view))
        yield result


def _shown_as_json(results: Iterable[Result], query: Query, chars: bool) -> Iterator[Result]:
    """Each result, once it stands on stdout: of a whole file either its stretches or their sum."""
    hidden = "file" if chars else "stretch"
    for result in results:
        if result.kind != hidden:
            print(json_line(json_value(result, query.models, chars)))
        yield result


def _summed(results: Iterable[Result], query: Query) -> Iterator[Result]:
    """The results; after them, where there were several, their sums on stderr."""
    count, totals = 0, [Total()] * len(query.models)
    for result in results:
        if result.kind != "stretch":
            count += 1
            totals = [total.plus(measure) for total, measure in zip(totals, result.measures, strict=True)]
        yield result
    if count > 1:
        for model, total in zip(query.models, totals, strict=True):
            note(f"{'total' if len(totals) == 1 else model.path}: {total}")
