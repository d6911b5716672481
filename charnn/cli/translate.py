"""`charnn translate`: from one text to another, by a model of pairs."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charnn.cli.announce import MODEL_DEFAULT, announced_seed, announced_translator
from charnn.cli.inputs import STDIN, read_bursts
from charnn.cli.options import option, picture_option, setting_option, with_settings
from charnn.config import OUTPUT, SEARCH, DrawConfig, EncodingConfig, ReadConfig, TranslateConfig, Unknown
from charnn.errors import InputError
from charnn.settings import configured, settings_of

if TYPE_CHECKING:
    from charnn.inference.translator import Translation, Translator

SOURCES = "Sources"

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Each is a source; - is standard input, as is none.", show_default=False
    ),
]
Files = Annotated[
    list[str] | None,
    option(
        "-f --file",
        SOURCES,
        "FILE",
        "A file with one source a line, and perhaps a tab and its features; repeat it for more files.",
    ),
]
Features = Annotated[
    str, option("--features", SOURCES, "TEXT", "The features of every source.", default="none")
]
Models = Annotated[
    list[str] | None,
    option(
        "-m --model",
        SEARCH,
        "PATH",
        "A .safetensors file or a run's folder, of train --pairs. Repeated: an ensemble, whose probabilities are the "
        "mean of theirs.",
        default=MODEL_DEFAULT,
    ),
]
UnknownPolicy = Annotated[
    Unknown,
    setting_option(
        settings_of(EncodingConfig)["unknown"]._replace(panel=SOURCES),
        "What becomes of a symbol that the model never saw: an error, left out, or read as an unknown one, which may "
        "be copied.",
    ),
]
Seed = Annotated[
    int | None,
    setting_option(settings_of(DrawConfig)["seed"]._replace(panel=SEARCH), "The same seed, the same draw."),
]
Align = Annotated[
    bool, option("--align", OUTPUT, None, "Where each symbol of the target was looked for, as a matrix.")
]
Svg = Annotated[str | None, picture_option("svg", "With --align: draw it into {}")]
Png = Annotated[str | None, picture_option("png", "With --align: draw it into {}")]
Interactive = Annotated[
    bool,
    option("-i --interactive", SOURCES, None, "Type sources at a prompt, each is answered; Ctrl-D ends."),
]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a line: index, source, features, target, log_prob (natural log), ended, candidates (target, "
        "log_prob, ended); with --align attention, a row for each symbol of the target and its end.",
    ),
]


@with_settings(TranslateConfig, ReadConfig)
def translate(
    texts: Texts = None,
    file: Files = None,
    features: Features = "",
    model: Models = None,
    unknown: UnknownPolicy = "error",
    seed: Seed = None,
    align: Align = False,
    svg: Svg = None,
    png: Png = None,
    interactive: Interactive = False,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Translate each text by a model of train --pairs: the likeliest target of each, one a line.

    Lines of a file or of standard input are answered as they come. With -n each target has its log-probability and a
    tab before it, escaped as score escapes texts, and an empty line stands between sources.
    """
    from charnn.cli.translate_view import TranslationOutput, show, show_alignment

    config, reading = configured(TranslateConfig, options), configured(ReadConfig, options)
    if seed is not None and not config.temperature:
        raise InputError("--seed decides what is drawn at random; give --temp too")
    if interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("--interactive needs a terminal; in a pipe, leave it out")
    if (svg or png) and not align:
        raise InputError("--svg and --png draw an alignment; add --align")
    output = TranslationOutput(as_json, svg, png, config.count)
    translator = announced_translator(model or [])
    if align and not translator.has_attention:
        raise InputError("the model was trained with --attention none: it looks nowhere; leave out --align")
    given: dict[str, Any] = {**asdict(config), "features": features, "unknown": unknown}
    if config.temperature:
        given["seed"] = announced_seed(seed)
    if interactive:
        from charnn.cli.interactive_translate import converse

        converse(translator, given, output)
        return
    found = _translations(translator, texts or [], file or [], asdict(reading), given)
    for index, translation in enumerate(found):
        if align:
            show_alignment(index, translation, translator, unknown, output)
        else:
            show(index, translation, output)


def _translations(
    translator: "Translator",
    texts: list[str],
    files: list[str],
    reading: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Iterator["Translation"]:
    """Of the texts, then of the files' lines; standard input is a file called "-" among either."""
    plain = [text for text in texts if text != STDIN]
    names = files + [STDIN] * (len(texts) > len(plain) or (not texts and not files))
    yield from translator.translate_many(plain, called="source", **options)
    before = len(plain)
    for name in names:
        called, number = "standard input" if name == STDIN else name, 1
        for lines in read_bursts(name, **reading):
            sources = [_with_features(line, translator, str(options["features"])) for line in lines]
            yield from translator.translate_many(
                sources, first=number, called=f"{called}, line", before=before, **options
            )
            number, before = number + len(lines), before + len(lines)


def _with_features(line: str, translator: "Translator", features: str) -> tuple[str, str]:
    """A line's source and features: those after a tab, where the model reads any and none are given for all."""
    if features or not translator.pairs.features:
        return line, features
    source, _, own = line.partition("\t")
    return source, own
