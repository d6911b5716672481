"""Names and shapes of the weights of one network and of its state, as its configuration says."""

from charnn.config import GATES, ModelConfig
from charnn.model.ngrams import history

Shapes = dict[str, tuple[int, ...]]
RECENT = "recent"
"""The part of a state that holds the ids of the last characters."""


def network_shapes(config: ModelConfig) -> Shapes:
    """Name → shape of every weight of a network that reads in one direction."""
    hidden, stacked = config.hidden, GATES[config.cell] * config.hidden
    shapes: Shapes = {}
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
    return shapes | output_shapes(config, hidden)


def output_shapes(config: ModelConfig, width: int) -> Shapes:
    """Those of an output layer over hidden states of `width`."""
    return {"output.weight": (config.vocab_size, width), "output.bias": (config.vocab_size,)}


def character_axes_of_network(config: ModelConfig) -> dict[str, int]:
    """A network's weights with one slice a character, and the axis along which they lie."""
    inputs = {"embedding.weight": 0} if config.embedding else {"rnn.weight_ih_l0": 1}
    return inputs | {"output.weight": 0, "output.bias": 0}


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


def state_shapes(config: ModelConfig, batch: int) -> Shapes:
    """Name → shape of the parts of a network's state for N = `batch` streams: `h`, for the LSTM `c`, and `recent`."""
    layers = (config.layers, batch, config.hidden)
    carried: Shapes = {"h": layers, "c": layers} if config.cell == "lstm" else {"h": layers}
    return carried | {RECENT: (history(config), batch)}
