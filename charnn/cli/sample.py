"""`charnn sample`: new text on stdout, character by character as it is made."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

from charnn.cli.announce import (
    MODEL_DEFAULT,
    announced_model,
    announced_seed,
    note_escapes,
    note_reading,
    strange_characters,
)
from charnn.cli.inputs import STDIN, read_bursts, read_pieces
from charnn.cli.options import option, setting_option, with_settings
from charnn.cli.sample_request import Request
from charnn.cli.terminal import note
from charnn.config import OUTPUT, PROMPT, DrawConfig, EncodingConfig, ReadConfig, SampleConfig
from charnn.errors import InputError
from charnn.settings import configured, settings_of

if TYPE_CHECKING:
    from charnn.data.cache import EncodedText
    from charnn.inference.model import Model

SETTINGS = settings_of(SampleConfig)


Path = Annotated[
    str | None,
    option("-m --model", PROMPT, "PATH", "A .safetensors file or a run's folder.", default=MODEL_DEFAULT),
]
Prompt = Annotated[str | None, option("-p --prompt --prime", PROMPT, "TEXT", "Text to start from.")]
PromptFile = Annotated[
    str | None, option("--prompt-file", PROMPT, "FILE", "Start from a file's text; - is standard input.")
]
PromptsFile = Annotated[
    str | None,
    option("--prompts-file", PROMPT, "FILE", "Start from each line of a file; - is standard input."),
]
Delimiter = Annotated[
    str | None,
    option("--delimiter", OUTPUT, "TEXT", "What stands between samples.", default="a blank line"),
]
Temperatures = Annotated[
    list[float] | None,
    setting_option(
        SETTINGS["temperature"], f"{SETTINGS['temperature'].help} Repeat it for a sample at each."
    ),
]
Novelty = Annotated[
    list[str] | None,
    option(
        "--novelty",
        OUTPUT,
        "CORPUS",
        "Say how much of each sample stands in a corpus, verbatim: the longest stretch, and the share of "
        "20-character windows; in --json longest_copied and copied_share. Repeat it for more files.",
    ),
]
NoEcho = Annotated[bool, option("--no-echo", OUTPUT, None, "Leave the prompt out.")]
Colour = Annotated[
    bool,
    option("--color", OUTPUT, None, "Colour characters by their surprisal, where colours can be shown."),
]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a line: index, text (generated only), log_prob (natural log), chars, temperature, seed, "
        "stopped (by a stop string; of documents: end, length or stop); with --prompts-file prompt.",
    ),
]
Interactive = Annotated[
    bool,
    option(
        "-i --interactive",
        PROMPT,
        None,
        "Type one beginning after another and see each continued; Tab shows the likeliest next characters, "
        "Ctrl-D ends.",
    ),
]


@with_settings(SampleConfig, EncodingConfig, DrawConfig, ReadConfig)
def sample(
    model: Path = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    prompts_file: PromptsFile = None,
    temperature: Temperatures = None,
    novelty: Novelty = None,
    delimiter: Delimiter = None,
    no_echo: NoEcho = False,
    color: Colour = False,
    as_json: Json = False,
    interactive: Interactive = False,
    **options: Any,
) -> None:
    """Write new text, character by character as it is made."""
    from charnn.cli.sample_view import print_json, print_texts

    drawn, base = configured(DrawConfig, options), configured(SampleConfig, options)
    given = [one for one in (prompt, prompt_file, prompts_file) if one is not None]
    _refuse_misfits(
        interactive=interactive,
        as_json=as_json,
        several_starts=len(given) > 1,
        measured_endlessly=bool(novelty) and base.length < 0 and not base.lines,
    )
    reading = asdict(configured(ReadConfig, options))
    called = next(
        (_file_name(file) for file in (prompt_file, prompts_file) if file is not None), "the prompt"
    )
    degrees = [SETTINGS["temperature"].require(degree) for degree in temperature or [base.temperature]]
    prompts = _prompts(prompt, prompt_file, prompts_file, reading)
    network = announced_model(model)
    configs = tuple(replace(base, temperature=degree) for degree in degrees)
    count, configs = _documents_for_lines(network, drawn.num_samples, configs)
    request = Request(
        network,
        prompts,
        configs,
        count,
        best_of=drawn.best_of,
        seed=announced_seed(drawn.seed),
        called=called if prompts_file is None else f"{called}, line",
        are_lines=prompts_file is not None,
        unknown=configured(EncodingConfig, options).unknown,
        new=drawn.new,
        corpus=_corpus(novelty, reading) if novelty else None,
    )
    if interactive:
        from charnn.cli.interactive import converse

        converse(request, echo=not no_echo, color=color)
        return
    _note_oddities(request, delimiter)
    if as_json:
        print_json(request)
    else:
        print_texts(request, echo=not no_echo, color=color, delimiter=delimiter)


def _documents_for_lines(
    model: "Model", count: int, configs: tuple[SampleConfig, ...]
) -> tuple[int, tuple[SampleConfig, ...]]:
    """Where each document is a line, --lines asks for so many of them."""
    lines = configs[0].lines
    if lines is None or model.documents is None or model.documents.kind != "lines":
        return count, configs
    return count * lines, tuple(replace(config, lines=None) for config in configs)


def _note_oddities(request: Request, delimiter: str | None) -> None:
    """Say what is read or done in another way than it was given."""
    vocabulary = request.model.vocabulary
    called = "the prompts" if request.are_lines else "the prompt"
    note_reading(vocabulary, "\n".join(request.prompts) if request.are_lines else request.prompts[0], called)
    for stop in request.configs[0].stop:
        if strange := strange_characters(vocabulary, stop):
            points = ", ".join(f"U+{ord(character):04X}" for character in strange)
            note(f"--stop {stop!r} can never match: the model doesn't know {points}")
    if delimiter is not None:
        note_escapes("--delimiter", delimiter)


def _refuse_misfits(
    *, interactive: bool, as_json: bool, several_starts: bool, measured_endlessly: bool
) -> None:
    if several_starts:
        raise InputError(
            "--prompt, --prompt-file and --prompts-file all name a text to start from; give one of them"
        )
    if interactive and as_json:
        raise InputError("--interactive is for people, --json for scripts; give one of them")
    if interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("--interactive needs a terminal; in a pipe, start from --prompt-file -")
    if measured_endlessly:
        raise InputError("--novelty is said of samples that end; give --length or --lines")


def _corpus(sources: list[str], reading: Mapping[str, Any]) -> "EncodedText":
    from charnn.data.encode import encode_text

    return encode_text(sources, **reading)


def _prompts(
    prompt: str | None, prompt_file: str | None, prompts_file: str | None, reading: Mapping[str, Any]
) -> tuple[str, ...]:
    """The texts to start from."""
    if prompt_file is not None:
        return ("".join(read_pieces(prompt_file, **reading)),)
    if prompts_file is None:
        return (prompt or "",)
    lines = tuple(chain.from_iterable(read_bursts(prompts_file, **reading)))
    if not lines:
        raise InputError(f"{_file_name(prompts_file)} holds no prompt: give one a line")
    return lines


def _file_name(file: str) -> str:
    return "standard input" if file == STDIN else file
