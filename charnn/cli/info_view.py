"""A model's description in lines, and as a JSON value. What a file says of itself may be missing or nonsense."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import log
from typing import Any

from charnn.cli.chart import sparkline
from charnn.config import ModelConfig, to_json
from charnn.model.kinds import kind_of
from charnn.storage.description import Description, History, Losses
from charnn.storage.model_documents import ModelDocuments
from charnn.storage.provenance import is_reversed

_NAME = 12  # columns
_CURVE = 60


def lines_of(model: Description) -> Iterator[str]:
    """What a person wants to know."""
    training = _object(model.provenance, "training")
    rows = [
        ("model", f"{model.path}, {model.bytes:,} bytes"),
        ("network", network(model.config)),
        ("vocabulary", _vocabulary(model)),
        *([("documents", _documents(model.documents))] if model.documents else []),
        *([("reads", _reading(model))] if model.pairs else []),
        ("corpus", _corpus(_object(model.provenance, "corpus"))),
        ("trained", _training(training)),
        ("loss", _loss(training.get("val_nats_per_char"))),
        ("made", f"{_said(model.provenance, 'created')}, by charnn {_said(model.provenance, 'charnn')}"),
        ("parameters", f"{model.parameters:,}"),
    ]
    yield from (f"{name:<{_NAME}}{value}" for name, value in rows)
    yield from _parts(model)
    yield from _curves(model.history)


def value_of(model: Description) -> dict[str, Any]:
    """Everything, for scripts."""
    history = model.history
    pairs = {"pairs": _pairs(model)} if model.pairs else {}
    documents = {"documents": model.documents.to_json()} if model.documents else {}
    return {
        "model": str(model.path),
        "bytes": model.bytes,
        "config": to_json(model.config),
        "parameters": model.parameters,
        "parts": [
            {"name": part.name, "shape": part.shape, "parameters": part.parameters} for part in model.weights
        ],
        "vocabulary": {
            "characters": model.vocabulary.characters,
            "has_unknown": model.vocabulary.has_unknown,
        },
        "provenance": dict(model.provenance),
        "history": history and {"training": history.training, "validation": history.validation},
        **pairs,
        **documents,
    }


def _pairs(model: Description) -> dict[str, Any]:
    """Of an encoder–decoder, the symbols of each part of a pair, what separates them, and the direction."""
    assert model.pairs is not None
    separators = asdict(model.pairs.separators)
    return {**_symbols(model), "separators": separators, "reverse": is_reversed(model.provenance)}


def _reading(model: Description) -> str:
    """Of an encoder–decoder, from which part of a pair to which, and what stands between symbols."""
    assert model.pairs is not None
    separators = model.pairs.separators
    parts = [("sources", separators.source), ("targets", separators.target)]
    if model.pairs.features:
        parts.append(("features", separators.features))
    between = [f"{separator!r} between symbols of {name}" for name, separator in parts if separator]
    direction = (
        "targets, writes sources (--reverse)" if is_reversed(model.provenance) else "sources, writes targets"
    )
    return ", ".join([direction, *between])


def _documents(documents: ModelDocuments) -> str:
    return f"{documents.kind}, {documents.count:,} to train on, {documents.separator!r} between them"


def _symbols(model: Description) -> dict[str, list[str]]:
    """Of an encoder–decoder, the symbols of each part of a pair."""
    assert model.pairs is not None
    parts = {
        "source": model.pairs.source,
        "features": model.pairs.features,
        "target": model.vocabulary.characters,
    }
    return {name: [*model.pairs.symbols_of(glyphs)] for name, glyphs in parts.items()}


def network(config: ModelConfig) -> str:
    """The network in words."""
    cell = f"rnn ({config.nonlinearity})" if config.cell == "rnn" else config.cell
    layers = "1 layer" if config.layers == 1 else f"{config.layers} layers"
    inputs = f"embedding of {config.embedding}" if config.embedding else "one-hot input"
    words = [f"{cell}, {layers} of {config.hidden}", inputs]
    if config.kind == "encoder_decoder":
        words[0] = f"{_reader(config)} → {words[0]}"
    if kind_of(config).directions > 1:
        words[0] += " in each direction"
    if config.ngrams:
        words.append(f"2- to {config.ngrams}-grams in {config.ngram_rows:,} rows each")
    if config.skip_connection == "input":
        words.append("skip connection from the input to the output layer")
    return ", ".join(words)


def _reader(config: ModelConfig) -> str:
    """What an encoder–decoder's decoder stands on, in words."""
    if config.attention == "none":
        return f"encoder of {config.hidden} → its last state"
    copying = ", copying" if config.copy_gate == "on" else ""
    return f"encoder of {config.encoder_hidden} in each direction → attention{copying}"


def _vocabulary(model: Description) -> str:
    if model.pairs:
        symbols = _symbols(model)
        features = f"{len(symbols['features']):,} features, " if symbols["features"] else ""
        written = symbols["target"]
        sizes = f"{len(symbols['source']):,} symbols of sources, {features}{len(written):,} of targets"
        return f"{sizes}: {' '.join(written)}"
    unknown = " and the unknown one" if model.vocabulary.has_unknown else ""
    characters = model.vocabulary.characters
    return f"{len(characters):,} characters{unknown}: {characters}"


def _corpus(corpus: Mapping[str, Any]) -> str:
    return f"{_said(corpus, 'name')}, {_said(corpus, 'chars')} characters, SHA-256 {_said(corpus, 'sha256')}"


def _training(training: Mapping[str, Any]) -> str:
    return (
        f"{_said(training, 'steps')} steps, {_said(training, 'epochs')} epochs, "
        f"{_said(training, 'chars')} characters, {_said(training, 'seconds')} s"
    )


def _loss(nats: Any) -> str:
    if type(nats) is not float:
        return "no validation"
    return f"{nats:.4f} nats, {nats / log(2):.4f} bits a character (validation)"


def _parts(model: Description) -> Iterator[str]:
    """A row for each weight."""
    width = max(len(part.name) for part in model.weights)
    for part in model.weights:
        shape = " × ".join(f"{size:,}" for size in part.shape)
        yield f"  {part.name:<{width}}  {shape:>16}  {part.parameters:>12,}"


def _curves(history: History | None) -> Iterator[str]:
    if history is None:
        yield f"{'history':<{_NAME}}unknown: no run's metrics.jsonl lies beside the model"
        return
    yield from (_curve("training", history.training), _curve("validation", history.validation))


def _curve(name: str, losses: Losses) -> str:
    """A loss as a line, with its first and last value."""
    if not losses:
        return f"{name:<{_NAME}}never measured"
    bits = [nats / log(2) for _, nats in losses]
    ends = f"{bits[0]:.4f} → {bits[-1]:.4f} bits a character, steps {losses[0][0]:,}–{losses[-1][0]:,}"
    return f"{name:<{_NAME}}{sparkline(bits, _CURVE)}  {ends}"


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def _said(values: Mapping[str, Any], name: str) -> str:
    """What is said under a name, for people."""
    value = values.get(name, "unknown")
    return f"{value:,}" if type(value) in (int, float) else str(value)
