"""A web page that holds a model and runs it: one file, which loads nothing and sends nothing.

The page's parts lie in `web/`: markup, style, scripts, and the product of a matrix with a vector as WebAssembly. All
that comes from the model is data in base64, so that no text of a model's is ever markup or script; and the page's
policy (Content-Security-Policy) allows just this script and this style, by their hashes, and no connection at all.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

from charnn.config import ModelConfig, to_json
from charnn.data.symbols import PairVocabulary, copied_ids
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.export.weights import ALIGNMENT, PackedArrays, packed
from charnn.inference.batch_sampler import MAX_OPENING
from charnn.model.kinds import kind_of
from charnn.storage.model_file import ModelFile

SCRIPTS = (
    *("arrays", "network", "text", "sampling", "fill", "transducer", "translate"),  # the model
    *("interface", "writing", "scoring", "answers", "main"),  # the page
)
MAX_BYTES = (
    380_000_000  # of data: in base64 the longest text that Chromium's JavaScript holds, 2²⁹ characters
)
LONGEST_NAME = 200  # characters
_PLACES = ("policy", "style", "model", "script")  # in page.html, in this order


def page(model: ModelFile, name: str) -> Iterator[bytes]:
    """The page, piece by piece; `name` is what it calls the model.

    Raises InputError for a model that is too large.
    """
    style, script = _text("style.css"), "\n".join(_text(f"{part}.js") for part in SCRIPTS)
    before, *between = _template()
    yield (before + _policy(style, script)).encode()
    after_policy, after_style, after_model, after_script = between
    yield (after_policy + style + after_style).encode()
    yield from _base64(_data(model, name))
    yield (after_model + script + after_script).encode()


def _template() -> list[str]:
    """The markup between the places that are filled."""
    parts, rest = [], _text("page.html")
    for place in _PLACES:
        part, _, rest = rest.partition("{{" + place + "}}")
        parts.append(part)
    return [*parts, rest]


def _text(name: str) -> str:
    return files("charnn.export").joinpath("web", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """`wasm-unsafe-eval` lets a browser compile WebAssembly, and evaluate nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)} 'wasm-unsafe-eval'",
            f"style-src {_source(style)}",
            *(f"{what} 'none'" for what in ("connect-src", "img-src", "form-action", "base-uri")),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    left = b""
    for chunk in chunks:
        whole = left + chunk
        end = len(whole) - len(whole) % 3
        yield b64encode(whole[:end])
        left = whole[end:]
    yield b64encode(left)


def _data(model: ModelFile, name: str) -> Iterator[bytes]:
    """The length of a description, it, and the arrays that it speaks of."""
    arrays = PackedArrays()
    kernel = files("charnn.export").joinpath("web", "product.wasm").read_bytes()
    described = json.dumps(
        {
            "name": name[:LONGEST_NAME],
            "about": _about(model),
            "config": _config(model.config),
            "vocabulary": _vocabulary(model),
            "opening": _opening(model.provenance),
            "pairs": model.pairs and _pairs(model.vocabulary, model.pairs),
            "kernel": [arrays.add(kernel), len(kernel)],
            "tensors": packed(_used(model), arrays),
        }
    ).encode()
    if arrays.length > MAX_BYTES:
        raise InputError(
            f"the model's numbers take {arrays.length:,} bytes, and a page holds {MAX_BYTES:,}; train a smaller one"
        )
    yield len(described).to_bytes(4, "little")
    yield described + bytes(-(4 + len(described)) % ALIGNMENT)
    yield from arrays


def _used(model: ModelFile) -> Mapping[str, Any]:
    """The weights that the page computes with: not a bidirectional model's output layer over both of its networks."""
    if kind_of(model.config).directions == 1:
        return model.weights
    return {name: weight for name, weight in model.weights.items() if not name.startswith("output.")}


def _config(config: ModelConfig) -> dict[str, Any]:
    return {**to_json(config), "output_size": config.output_size}


def _vocabulary(model: ModelFile) -> dict[str, Any]:
    """The symbols that are written: characters, or those of targets."""
    characters = model.vocabulary.characters
    return {
        "symbols": [*model.pairs.symbols_of(characters)] if model.pairs else [*characters],
        "has_unknown": model.vocabulary.has_unknown,
        "has_end": model.vocabulary.has_end,
    }


def _pairs(vocabulary: Vocabulary, pairs: PairVocabulary) -> dict[str, Any]:
    separators = pairs.separators
    return {
        "source": [*pairs.symbols_of(pairs.source)],
        "features": [*pairs.symbols_of(pairs.features)],
        "separators": {
            "source": separators.source,
            "target": separators.target,
            "features": separators.features,
        },
        "copies": copied_ids(vocabulary, pairs).tolist(),
    }


def _opening(provenance: Mapping[str, Any]) -> str:
    """How the corpus begins, where the model file says it: what a text without a beginning goes on from."""
    text = _object(provenance, "corpus").get("opening")
    return text[:MAX_OPENING] if isinstance(text, str) else ""


def _about(model: ModelFile) -> str:
    """What the model is, in a sentence or two. The provenance may say anything."""
    config, corpus = model.config, _object(model.provenance, "corpus")
    named, chars = corpus.get("name"), corpus.get("chars")
    cell = config.cell.upper()
    what = f"{'An' if cell != 'GRU' else 'A'} {cell} of {config.hidden:,} units"
    if config.layers > 1:
        what += f" in each of {config.layers} layers"
    parts = [f"{what} that {kind_of(config).purpose}"]
    if isinstance(named, str):
        size = f" ({chars:,} characters)" if type(chars) is int else ""
        parts.append(f"trained on {named[:LONGEST_NAME]}{size}")
    return ", ".join(parts) + "."


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, dict) else {}
