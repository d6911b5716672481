"""`charnn score`: how likely each text is."""

from collections import deque
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charnn.cli.announce import MODEL_DEFAULT, announced_model
from charnn.cli.inputs import STDIN, read_bursts, read_pieces
from charnn.cli.options import option, setting_option, with_settings
from charnn.config import OUTPUT, PAIRS, ColumnConfig, EncodingConfig, ReadConfig, TranslateConfig, Unknown
from charnn.errors import InputError
from charnn.settings import settings_of

if TYPE_CHECKING:
    from charnn.inference.comparison import Comparison, ScoredText

WHAT = "Texts"
HOW = "Scoring"

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Each is a text; - is standard input, as is none.", show_default=False
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
UnknownPolicy = Annotated[Unknown, setting_option(settings_of(EncodingConfig)["unknown"]._replace(panel=HOW))]
Adapt = Annotated[
    bool,
    option(
        "--adapt",
        HOW,
        None,
        "Let a copy of the model go on learning from each text, behind the characters it scores (dynamic evaluation): "
        "for long texts; slower.",
    ),
]
NoEnd = Annotated[
    bool,
    option(
        "--no-end",
        HOW,
        None,
        "Of a model of documents: leave out the end of each text, which is the beginning of something.",
    ),
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
Words = Annotated[
    bool,
    option(
        "--words",
        OUTPUT,
        None,
        "Every word with its surprisal in bits, that of the white space before it included.",
    ),
]
Top = Annotated[
    int, option("--top", OUTPUT, "N", "List the N likeliest characters at each place; 0 is off.", least=0)
]
Html = Annotated[
    str | None,
    option("--html", OUTPUT, "FILE", "Write the heat map as a web page too; - is standard output."),
]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a line: index, text (with --whole: file), chars, log_prob (natural log), bits_per_char, "
        "perplexity, unknown, bits_per_byte, perplexity_per_word; of documents end_log_prob, a part of log_prob; with "
        "--chars surprisal_bits (of scored, the text without what was skipped), with --words words.",
    ),
]


Pairs = Annotated[
    list[str] | None,
    option(
        "--pairs",
        PAIRS,
        "FILE",
        "Pairs as for train --pairs, whose sources a model of pairs translates: accuracy, wer (a source is right if "
        "any of its targets is), symbol_error_rate, nats_per_symbol. Several models are an ensemble.",
    ),
]
Beam = Annotated[
    int | None,
    option("--beam", PAIRS, "N", "Keep the N likeliest targets at each symbol.", default="5", least=1),
]


@with_settings(ColumnConfig, ReadConfig)
def score(
    texts: Texts = None,
    file: Files = None,
    whole: Whole = False,
    model: Models = None,
    context: Context = "",
    unknown: UnknownPolicy = "error",
    adapt: Adapt = False,
    no_end: NoEnd = False,
    rank: Rank = False,
    chars: Chars = False,
    words: Words = False,
    top: Top = 0,
    html: Html = None,
    pairs: Pairs = None,
    beam: Beam = None,
    as_json: Json = False,
    **reading: Any,
) -> None:
    r"""Say how likely each text is. In a pipe the columns are separated by tabs and have no heading.

    A backslash, tab, newline and carriage return in a text are written \\ \t \n \r there, other control characters and
    line separators \xNN or \uNNNN.
    """
    if pairs:
        _refuse_beside_pairs(
            texts or file, whole or rank or chars or words or adapt or no_end, context or top or html
        )
        from charnn.cli.score_pairs import PairsRequest, score_pairs_of

        score_pairs_of(
            PairsRequest(pairs, model or [], beam or TranslateConfig.beam, unknown, as_json, reading)
        )
        return
    _refuse_without_pairs(reading, beam)
    from charnn.cli.score_view import Shown, noting_conversion, shown, shown_as_json, with_totals
    from charnn.inference.comparison import Comparison
    from charnn.outputs import is_stdout, write_output

    _refuse_misfits(
        whole=whole, adapt=adapt, top=top, words=words, ordered_stretches=rank and (chars or html is not None)
    )
    paths: list[str | None] = list(model) if model else [None]
    comparison = Comparison(tuple(map(announced_model, paths)), context, unknown, top, adapt, not no_end)
    results = noting_conversion(_results(comparison, texts or [], file or [], reading, whole=whole))
    if not (chars or html):
        results = (result for result in results if result.kind != "stretch")
    if rank:
        results = iter(sorted(results, key=attrgetter("sort_key")))
    show = shown_as_json if as_json else shown
    wanted = Shown(chars=chars, words=words)
    shown_results = with_totals(results if is_stdout(html) else show(results, comparison, wanted), comparison)
    if html is None:
        deque(shown_results, maxlen=0)
    else:
        from charnn.cli.heatmap_page import page

        write_output(html, page(shown_results, str(comparison.models[0].path)))


def _results(
    comparison: "Comparison", texts: list[str], files: list[str], reading: Mapping[str, Any], *, whole: bool
) -> Iterator["ScoredText"]:
    """Results for the texts, then for the files, each line or, with `whole`, each file one text.

    Standard input is a file called "-" among either; it is read where both are empty.
    """
    plain = [text for text in texts if text != STDIN]
    names = files + [STDIN] * (len(texts) > len(plain) or (not texts and not files))
    yield from comparison.texts(plain)
    index = len(plain)
    for name in names:
        called = "standard input" if name == STDIN else name
        if whole:
            yield from comparison.file(name, read_pieces(name, **reading), index, called=called)
            index += 1
            continue
        first = index
        for lines in read_bursts(name, **reading):
            number = index - first + 1
            yield from comparison.texts(lines, index, first=number, called=f"{called}, line")
            index += len(lines)


def _refuse_beside_pairs(*others: object) -> None:
    if any(others):
        raise InputError(
            "--pairs scores pairs as a whole; give with it --model, --beam, --unknown and --json alone"
        )


def _refuse_without_pairs(reading: Mapping[str, Any], beam: int | None) -> None:
    odd = [settings_of(ColumnConfig)[name].option for name in settings_of(ColumnConfig) if name in reading]
    if odd or beam is not None:
        raise InputError(f"{odd[0] if odd else '--beam'} is for pairs of texts; add --pairs FILE")


def _refuse_misfits(*, whole: bool, adapt: bool, top: int, words: bool, ordered_stretches: bool) -> None:
    if whole and top:
        raise InputError("--top works on texts and lines, not on --whole files; leave one of them out")
    if whole and words:
        raise InputError("--words works on texts and lines, not on --whole files; leave one of them out")
    if adapt and top:
        raise InputError("--top lists what the trained model finds likeliest; leave out --adapt or --top")
    if whole and ordered_stretches:
        raise InputError(
            "--rank orders texts, not the stretches that --whole shows; leave out --chars and --html"
        )
