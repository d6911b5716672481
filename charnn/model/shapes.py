"""Names and shapes of the weights of one network and of its state, as its configuration says."""

from charnn.config import GATES, ModelConfig
from charnn.model.ngrams import history

Shapes = dict[str, tuple[int, ...]]
RECENT = "recent"
"""The part of a state that holds the ids of the last characters."""
INPUT = "input"
"""The part of a state that holds the last character's input, for the output layer."""


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
    return shapes | output_shapes(config, config.output_size)


def output_shapes(config: ModelConfig, width: int) -> Shapes:
    """Those of an output layer that reads vectors of `width`."""
    return {"output.weight": (config.vocab_size, width), "output.bias": (config.vocab_size,)}


def character_axes_of_network(config: ModelConfig) -> dict[str, int]:
    """A network's weights with one slice a character, and the axis along which they lie."""
    inputs = {"embedding.weight": 0} if config.embedding else {"rnn.weight_ih_l0": 1}
    return inputs | {"output.weight": 0, "output.bias": 0}


def encoder_width(config: ModelConfig) -> int:
    """Width of each of an encoder–decoder's encoders; without attention the only one's state is the decoder's."""
    return config.encoder_hidden if config.attention == "dot" else config.hidden


def encoder_decoder_shapes(config: ModelConfig) -> Shapes:
    """Name → shape of every weight of an encoder–decoder: `model.encoder_decoder`."""
    width, hidden, both = config.embedding, config.hidden, 2 * encoder_width(config)
    shapes: Shapes = {"source_embedding.weight": (config.source_size, width)}
    if config.ngrams:
        table = ((config.ngrams - 1) * config.ngram_rows, width)
        shapes |= {"before_ngrams.weight": table, "after_ngrams.weight": table}
    shapes["embedding.weight"] = (config.vocab_size, width)
    shapes |= _stack_shapes(config, "rnn", [width, *[hidden] * (config.layers - 1)], hidden)
    if config.attention == "none":
        shapes |= _stack_shapes(config, "encoder", [width, *[hidden] * (config.layers - 1)], hidden)
        return shapes | output_shapes(config, hidden)
    for layer in range(config.layers):
        for direction in ("forward", "backward"):
            name, inputs = f"encoder_{direction}.{layer}", both if layer else width
            shapes |= _stack_shapes(config, name, [inputs], encoder_width(config))
    states = (2 if config.cell == "lstm" else 1) * config.layers * hidden
    shapes |= {"bridge.weight": (states, both), "bridge.bias": (states,), "keys.weight": (hidden, both)}
    shapes |= {"combine.weight": (hidden, both + hidden), "combine.bias": (hidden,)}
    if config.copy_gate == "on":
        shapes |= {"gate.weight": (1, both + hidden), "gate.bias": (1,)}
    return shapes | output_shapes(config, hidden)


def _stack_shapes(config: ModelConfig, name: str, widths: list[int], hidden: int) -> Shapes:
    """Of recurrent layers, the inputs of which have these widths."""
    stacked = GATES[config.cell] * hidden
    shapes: Shapes = {}
    for layer, width in enumerate(widths):
        shapes[f"{name}.weight_ih_l{layer}"] = (stacked, width)
        shapes[f"{name}.weight_hh_l{layer}"] = (stacked, hidden)
        shapes[f"{name}.bias_ih_l{layer}"] = (stacked,)
        shapes[f"{name}.bias_hh_l{layer}"] = (stacked,)
    return shapes


def inconsistency(config: ModelConfig) -> str | None:
    """Why no network can be as `config` says, or None."""
    if config.kind == "encoder_decoder":
        if not config.embedding or not config.source_size:
            return "pairs need an embedding of 1 or more, and source symbols"
        if config.skip_connection == "input":
            return "pairs have no skip connection; leave out --skip-connection input"
        if config.attention == "dot" and not config.encoder_hidden:
            return "attention needs an encoder of width 1 or more"
        if config.attention == "none" and config.copy_gate == "on":
            return (
                "a symbol is copied from where attention lies; leave out --attention none or --copy-gate on"
            )
    if config.skip_connection == "input" and not config.embedding:
        return "a skip connection needs an embedding of 1 or more, not one-hot input"
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
    """Name → shape of the parts of the state of N = `batch` streams: `h`, for the LSTM `c`, `recent` and `input`."""
    layers = (config.layers, batch, config.hidden)
    carried: Shapes = {"h": layers, "c": layers} if config.cell == "lstm" else {"h": layers}
    return carried | {RECENT: (history(config), batch), INPUT: (batch, config.output_size - config.hidden)}
