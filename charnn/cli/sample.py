"""`charnn sample`: new text on stdout, character by character as it is made."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain, repeat
from math import nan
from typing import TYPE_CHECKING, Annotated, Any

from charnn.cli.announce import MODEL_DEFAULT, announced_model, announced_seed
from charnn.cli.inputs import read_pieces
from charnn.cli.options import option, setting_option, with_settings
from charnn.config import OUTPUT, PROMPT, DrawConfig, ReadConfig, SampleConfig
from charnn.errors import InputError
from charnn.settings import configured, settings_of

if TYPE_CHECKING:
    from charnn.data.cache import EncodedText
    from charnn.inference.generate import Sample
    from charnn.inference.model import Model
    from charnn.inference.stopping import Token

SETTINGS = settings_of(SampleConfig)


@dataclass(frozen=True)
class Request:
    """`count` samples after `prompt` with each of `configs`, each the best of `best_of`.

    With a `corpus`, what each copied from it is said too.
    """

    model: "Model"
    prompt: str
    configs: tuple[SampleConfig, ...]
    count: int
    best_of: int
    seed: int
    new: bool = False
    corpus: "EncodedText | None" = None

    @property
    def total(self) -> int:
        return len(self.configs) * self.count

    @property
    def is_streamed(self) -> bool:
        """Whether each sample can be written as it is made."""
        return self.count == self.best_of == 1 and not self.new

    @property
    def separator(self) -> str | None:
        """What stands between the documents of a model of documents."""
        return self.model.documents.separator if self.model.documents else None

    def samples(self) -> Iterator["Sample"]:
        """All of them, numbered; every option is checked before the first is made."""
        groups = [
            self.model.sample_many(
                self.count,
                self.prompt,
                seed=self.seed,
                best_of=self.best_of,
                new=self.new,
                **asdict(config),
            )
            for config in self.configs
        ]
        return (replace(one, index=index) for index, one in enumerate(chain.from_iterable(groups)))

    def streams(self, *, scored: bool) -> list[Iterator["Token"]]:
        """The characters of one sample for each of `configs`, with their log-probabilities only if `scored`."""
        if scored:
            return [
                self.model.stream_scored(self.prompt, seed=self.seed, **asdict(one)) for one in self.configs
            ]
        streams = [self.model.stream(self.prompt, seed=self.seed, **asdict(one)) for one in self.configs]
        return [zip(stream, repeat(nan), strict=False) for stream in streams]


Path = Annotated[
    str | None,
    option("-m --model", PROMPT, "PATH", "A .safetensors file or a run's folder.", default=MODEL_DEFAULT),
]
Prompt = Annotated[str | None, option("-p --prompt --prime", PROMPT, "TEXT", "Text to start from.")]
PromptFile = Annotated[
    str | None, option("--prompt-file", PROMPT, "FILE", "Start from a file's text; - is standard input.")
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
        "stopped (by a stop string; of documents: end, length or stop).",
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


@with_settings(SampleConfig, DrawConfig, ReadConfig)
def sample(
    model: Path = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    temperature: Temperatures = None,
    novelty: Novelty = None,
    no_echo: NoEcho = False,
    color: Colour = False,
    as_json: Json = False,
    interactive: Interactive = False,
    **options: Any,
) -> None:
    """Write new text, character by character as it is made.

    Example: charnn sample --prompt "ROMEO:" --temp 0.8 --length 500
    """
    from charnn.cli.sample_view import print_json, print_texts

    drawn, base = configured(DrawConfig, options), configured(SampleConfig, options)
    _refuse_misfits(
        interactive=interactive,
        as_json=as_json,
        measured_endlessly=bool(novelty) and base.length < 0 and not base.lines,
    )
    reading = asdict(configured(ReadConfig, options))
    start = _start(prompt, prompt_file, reading)
    network = announced_model(model)
    degrees = [SETTINGS["temperature"].require(degree) for degree in temperature or [base.temperature]]
    configs = tuple(replace(base, temperature=degree) for degree in degrees)
    corpus = _corpus(novelty, reading) if novelty else None
    seed = announced_seed(drawn.seed)
    count, configs = _documents_for_lines(network, drawn.num_samples, configs)
    request = Request(network, start, configs, count, drawn.best_of, seed, drawn.new, corpus)
    if interactive:
        from charnn.cli.interactive import converse

        converse(request, echo=not no_echo, color=color)
    elif as_json:
        print_json(request)
    else:
        print_texts(request, echo=not no_echo, color=color)


def _documents_for_lines(
    model: "Model", count: int, configs: tuple[SampleConfig, ...]
) -> tuple[int, tuple[SampleConfig, ...]]:
    """Where each document is a line, --lines asks for so many of them."""
    lines = configs[0].lines
    if lines is None or model.documents is None or model.documents.kind != "lines":
        return count, configs
    return count * lines, tuple(replace(config, lines=None) for config in configs)


def _refuse_misfits(*, interactive: bool, as_json: bool, measured_endlessly: bool) -> None:
    if interactive and as_json:
        raise InputError("--interactive is for people, --json for scripts; give one of them")
    if interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("--interactive needs a terminal; in a pipe, start from --prompt-file -")
    if measured_endlessly:
        raise InputError("--novelty is said of samples that end; give --length or --lines")


def _corpus(sources: list[str], reading: Mapping[str, Any]) -> "EncodedText":
    from charnn.data.encode import encode_text

    return encode_text(sources, **reading)


def _start(prompt: str | None, prompt_file: str | None, reading: Mapping[str, Any]) -> str:
    """The text to start from."""
    if prompt_file is None:
        return prompt or ""
    if prompt is not None:
        raise InputError("--prompt and --prompt-file both name a text to start from; give one of them")
    return "".join(read_pieces(prompt_file, **reading))
