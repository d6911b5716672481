"""The kinds of model: what each is made of and can do, known without torch. `training/task.py` says how each learns.

A new kind is a name in `config.Kind`, an entry of `KINDS`, and an `Objective` of that name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from shlex import quote
from typing import Any, Literal, TypeVar

from charnn.config import Kind, ModelConfig, TrainOptions
from charnn.model.shapes import (
    Shapes,
    character_axes_of_network,
    encoder_decoder_shapes,
    network_shapes,
    output_shapes,
)

Capability = Literal["sample", "score", "fill", "translate"]
_T = TypeVar("_T")

FORWARD, BACKWARD = "forward_network.", "backward_network."
"""What the names of the weights of a bidirectional model's two networks begin with."""


@dataclass(frozen=True)
class KindTraits:
    """What is known of a kind of model; `name` as it stands in "a … model", `purpose` as in "it …".

    `directions` is the number of networks that read the text, `losses` that of the logits computed for a character
    in training. `example` are arguments of `command`, which puts the model to use.
    """

    name: str
    purpose: str
    capabilities: frozenset[Capability]
    command: str
    example: str
    directions: int
    losses: int
    weight_shapes: Callable[[ModelConfig], Shapes]
    character_axes: Callable[[ModelConfig], dict[str, int]]

    @property
    def described(self) -> str:
        """`a bidirectional model`."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name} model"

    def example_command(self, model: str) -> str:
        """A command line for a shell that puts the model at the path to use."""
        return f"charnn {self.command} --model {quote(model)} {self.example}"


def traits_of(kind: Kind) -> KindTraits:
    """What is known of a kind of model."""
    return KINDS[kind]


def kind_of(config: ModelConfig) -> KindTraits:
    """What is known of the configured kind of model."""
    return traits_of(config.kind)


def weight_shapes(config: ModelConfig) -> Shapes:
    """Name → shape of every weight, in PyTorch's names and layout (gates stacked: LSTM i f g o, GRU r z n)."""
    return kind_of(config).weight_shapes(config)


def character_axes(config: ModelConfig) -> dict[str, int]:
    """The weights with one slice a character, and the axis along which they lie."""
    return kind_of(config).character_axes(config)


def parameter_count(config: ModelConfig) -> int:
    return sum(prod(shape) for shape in weight_shapes(config).values())


def dense_parameters(config: ModelConfig) -> int:
    """Parameters that every character is multiplied with: all but the look-up tables."""
    tables = config.vocab_size * config.embedding * kind_of(config).directions
    return parameter_count(replace(config, ngrams=0, ngram_rows=0)) - tables


def kind_for(options: TrainOptions) -> Kind:
    """The kind of model that options of `train` ask for."""
    if options.get("layout", "text") != "text":
        return "encoder_decoder"
    return "bidirectional" if options.get("bidirectional") else "language_model"


def kind_options(kind: Kind) -> dict[str, bool]:
    """The options of `train` that ask for a kind of model, with their values: the inverse of `kind_for`."""
    return {"bidirectional": kind == "bidirectional"}


def with_kind(values: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration as JSON, which charnn 0.1 wrote with a boolean `bidirectional`, with its `kind`.

    Raises ValueError where that isn't true or false.
    """
    if "bidirectional" not in values or "kind" in values:
        return dict(values)
    rest = {name: value for name, value in values.items() if name != "bidirectional"}
    if not isinstance(values["bidirectional"], bool):
        raise ValueError(f"its bidirectional is {values['bidirectional']!r}, not true or false")
    return {**rest, "kind": "bidirectional" if values["bidirectional"] else "language_model"}


def _bidirectional_shapes(config: ModelConfig) -> Shapes:
    """Those of its two networks, the forward one first, and of the output layer over both."""
    of_both = _in_both(network_shapes(config))
    return of_both | output_shapes(config, 2 * config.output_size)


def _bidirectional_character_axes(config: ModelConfig) -> dict[str, int]:
    return _in_both(character_axes_of_network(config)) | {"output.weight": 0, "output.bias": 0}


def _in_both(of_network: Mapping[str, _T]) -> dict[str, _T]:
    """What is said of a network's weights, said of those of both directions."""
    return {direction + name: one for direction in (FORWARD, BACKWARD) for name, one in of_network.items()}


KINDS: Mapping[Kind, KindTraits] = {
    "language_model": KindTraits(
        name="forward",
        purpose="writes and scores text",
        capabilities=frozenset({"sample", "score", "fill"}),
        command="sample",
        example="--temp 0.8",
        directions=1,
        losses=1,
        weight_shapes=network_shapes,
        character_axes=character_axes_of_network,
    ),
    "bidirectional": KindTraits(
        name="bidirectional",
        purpose="fills blanks",
        capabilities=frozenset({"fill"}),
        command="fill",
        example="____",
        directions=2,
        losses=3,
        weight_shapes=_bidirectional_shapes,
        character_axes=_bidirectional_character_axes,
    ),
    "encoder_decoder": KindTraits(
        name="encoder-decoder",
        purpose="writes a text from another",
        capabilities=frozenset({"translate"}),
        command="translate",
        example="TEXT",
        directions=1,
        losses=1,
        weight_shapes=encoder_decoder_shapes,
        character_axes=lambda config: {"embedding.weight": 0, "output.weight": 0, "output.bias": 0},
    ),
}
