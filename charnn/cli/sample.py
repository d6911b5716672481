"""`charnn sample`: new text on stdout, character by character as it is made."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from math import nan
from typing import TYPE_CHECKING, Annotated

from charnn.cli.announce import MODEL_DEFAULT, announced_model, announced_seed
from charnn.cli.inputs import read_pieces
from charnn.cli.options import option
from charnn.config import SampleConfig
from charnn.errors import InputError

if TYPE_CHECKING:
    from charnn.data.cache import EncodedText
    from charnn.inference.generate import Sample
    from charnn.inference.model import Model, SampleOptions
    from charnn.inference.stopping import Token

DEFAULTS = SampleConfig()
START = "Where to start and to end"
DRAWING = "How characters are drawn"
OUTPUT = "What is shown"


@dataclass(frozen=True)
class Request:
    """`count` samples after `prompt` with each of `options`, each the best of `best_of`.

    With a `corpus`, what each copied from it is said too.
    """

    model: "Model"
    prompt: str
    options: tuple["SampleOptions", ...]
    count: int
    best_of: int
    seed: int
    corpus: "EncodedText | None" = None

    @property
    def total(self) -> int:
        return len(self.options) * self.count

    @property
    def is_streamed(self) -> bool:
        """Whether each sample can be written as it is made."""
        return self.count == self.best_of == 1

    def samples(self) -> Iterator["Sample"]:
        """All of them, numbered; every option is checked before the first is made."""
        groups = [
            self.model.sample_many(self.count, self.prompt, seed=self.seed, best_of=self.best_of, **options)
            for options in self.options
        ]
        return (replace(one, index=index) for index, one in enumerate(chain.from_iterable(groups)))

    def streams(self, *, scored: bool) -> list[Iterator["Token"]]:
        """The characters of one sample for each of `options`, with their log-probabilities only if `scored`."""
        if scored:
            return [self.model.stream_scored(self.prompt, seed=self.seed, **each) for each in self.options]
        streams = [self.model.stream(self.prompt, seed=self.seed, **each) for each in self.options]
        return [zip(stream, repeat(nan), strict=False) for stream in streams]


Path = Annotated[
    str | None,
    option("-m --model", START, "PATH", "A .safetensors file or a run's folder.", default=MODEL_DEFAULT),
]
Prompt = Annotated[str | None, option("-p --prompt --prime", START, "TEXT", "Text to start from.")]
PromptFile = Annotated[
    str | None, option("--prompt-file", START, "FILE", "Start from a file's text; - is standard input.")
]
Length = Annotated[
    int,
    option("-l --length", START, "N", "Characters to generate, the prompt not counted; -1 never ends."),
]
Lines = Annotated[int | None, option("--lines", START, "N", "End after N lines.", least=1)]
Stop = Annotated[
    list[str] | None, option("--stop", START, "TEXT", "End before this text; repeat it for more texts.")
]
Temperatures = Annotated[
    list[float] | None,
    option(
        "-t --temp --temperature",
        DRAWING,
        "F",
        "Below 1 safer, above 1 wilder, 0 always the likeliest; repeat it for a sample at each.",
        default=str(DEFAULTS.temperature),
    ),
]
TopK = Annotated[int, option("--top-k", DRAWING, "N", "Draw only from the N likeliest characters; 0 is off.")]
TopP = Annotated[
    float,
    option(
        "--top-p", DRAWING, "F", "Then only from the fewest that together have this probability; 1 is off."
    ),
]
MinP = Annotated[
    float,
    option(
        "--min-p", DRAWING, "F", "Then only from those at least F times as likely as the likeliest; 0 is off."
    ),
]
Seed = Annotated[
    int | None,
    option("--seed", DRAWING, "N", "The same seed, the same text.", default="a fresh one, said", least=0),
]
Count = Annotated[int, option("-n --num-samples", OUTPUT, "N", "How many samples.", least=1)]
BestOf = Annotated[
    int,
    option("--best-of", OUTPUT, "N", "Keep the likeliest per character of every N drawn.", least=1),
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
        "stopped.",
    ),
]
Interactive = Annotated[
    bool,
    option(
        "-i --interactive",
        START,
        None,
        "Type one beginning after another and see each continued; Tab shows the likeliest next characters, "
        "Ctrl-D ends.",
    ),
]


def sample(
    model: Path = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    length: Length = DEFAULTS.length,
    lines: Lines = None,
    stop: Stop = None,
    temperature: Temperatures = None,
    top_k: TopK = DEFAULTS.top_k,
    top_p: TopP = DEFAULTS.top_p,
    min_p: MinP = DEFAULTS.min_p,
    seed: Seed = None,
    num_samples: Count = 1,
    best_of: BestOf = 1,
    novelty: Novelty = None,
    no_echo: NoEcho = False,
    color: Colour = False,
    as_json: Json = False,
    interactive: Interactive = False,
) -> None:
    """Write new text, character by character as it is made.

    Example: charnn sample --prompt "ROMEO:" --temp 0.8 --length 500
    """
    from charnn.cli.sample_view import print_json, print_texts

    _refuse_misfits(
        interactive=interactive,
        as_json=as_json,
        measured_endlessly=bool(novelty) and length < 0 and not lines,
    )
    start = _start(prompt, prompt_file)
    network = announced_model(model)
    shared: SampleOptions = {
        "length": length,
        "lines": lines,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "stop": stop or (),
    }
    options = tuple(shared | {"temperature": degree} for degree in temperature or [DEFAULTS.temperature])
    corpus = _corpus(novelty) if novelty else None
    request = Request(network, start, options, num_samples, best_of, announced_seed(seed), corpus)
    if interactive:
        from charnn.cli.interactive import converse

        converse(request, echo=not no_echo, color=color)
    elif as_json:
        print_json(request)
    else:
        print_texts(request, echo=not no_echo, color=color)


def _refuse_misfits(*, interactive: bool, as_json: bool, measured_endlessly: bool) -> None:
    if interactive and as_json:
        raise InputError("--interactive is for people, --json for scripts; give one of them")
    if interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("--interactive needs a terminal; in a pipe, start from --prompt-file -")
    if measured_endlessly:
        raise InputError("--novelty is said of samples that end; give --length or --lines")


def _corpus(sources: list[str]) -> "EncodedText":
    from charnn.data.encode import encode_text

    return encode_text(sources)


def _start(prompt: str | None, prompt_file: str | None) -> str:
    """The text to start from."""
    if prompt_file is None:
        return prompt or ""
    if prompt is not None:
        raise InputError("--prompt and --prompt-file both name a text to start from; give one of them")
    return "".join(read_pieces(prompt_file))
