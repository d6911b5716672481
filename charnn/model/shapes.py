"""Names and shapes of a network's weights, as its configuration says: what a model file must hold, exactly."""

from dataclasses import replace
from math import prod

from charnn.config import GATES, ModelConfig

FORWARD, BACKWARD = (
    "forward_network.",
    "backward_network.",
)  # what the names of a bidirectional network's halves begin with


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name → shape of every weight, in PyTorch's names and layout (gates stacked: LSTM i f g o, GRU r z n).

    A bidirectional network's are those of its halves, the forward one first, and of the output layer over both.
    """
    half = _directed_shapes(config)
    if not config.bidirectional:
        return half
    shapes = {direction + name: shape for direction in (FORWARD, BACKWARD) for name, shape in half.items()}
    return shapes | _output_shapes(config, 2 * config.hidden)


def _directed_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Those of a network that reads in one direction."""
    hidden, stacked = config.hidden, GATES[config.cell] * config.hidden
    shapes: dict[str, tuple[int, ...]] = {}
    if config.embedding:
        shapes["embedding.weight"] = (config.vocab_size, config.embedding)
    if config.ngrams:
        shapes["ngrams.weight"] = ((config.ngrams - 1) * config.ngram_rows, config.embedding)
    for layer in range(config.layers):
        width = config.input_size if layer == 0 else hidden
        shapes[f"rnn.weight_ih_l{layer}"] = (stacked, width)
        shapes[f"rnn.weight_hh_l{layer}"] = (stacked, hidden)
        shapes[f"rnn.bias_ih_l{layer}"] = (stacked,)
        shapes[f"rnn.bias_hh_l{layer}"] = (stacked,)
    return shapes | _output_shapes(config, hidden)


def _output_shapes(config: ModelConfig, width: int) -> dict[str, tuple[int, ...]]:
    return {"output.weight": (config.vocab_size, width), "output.bias": (config.vocab_size,)}


def parameter_count(config: ModelConfig) -> int:
    return sum(prod(shape) for shape in weight_shapes(config).values())


def dense_parameters(config: ModelConfig) -> int:
    """Parameters that every character is multiplied with: all but the look-up tables."""
    tables = config.vocab_size * config.embedding * (1 + config.bidirectional)
    return parameter_count(replace(config, ngrams=0, ngram_rows=0)) - tables


def inconsistency(config: ModelConfig) -> str | None:
    """Why no network can be as `config` says, or None."""
    if not config.ngrams:
        return None if not config.ngram_rows else "rows for n-grams, but no n-grams"
    if config.ngrams == 1:
        return "n-grams of one character are the embedding itself; give 2 or more, or 0"
    if not config.embedding:
        return "n-grams need an embedding of 1 or more, not one-hot input"
    if config.ngram_rows < 2 or config.ngram_rows & (config.ngram_rows - 1):
        return f"the rows of n-grams must be a power of two, not {config.ngram_rows}"
    return None
