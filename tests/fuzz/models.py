"""The model loader: a file is refused in one line, or the model in it can be used."""

import json
import pickle
from functools import cache
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from safetensors.numpy import save

from charnn.config import ModelConfig, to_json
from charnn.inference.model import load
from charnn.model.kinds import weight_shapes

from .campaign import ACCEPTED, Target
from .mutate import json_bytes, mutated_bytes, mutated_json

CONFIGS = (
    ModelConfig(vocab_size=4, hidden=2),
    ModelConfig(vocab_size=5, hidden=3, cell="gru", layers=2, embedding=2, dropout=0.1),
    ModelConfig(vocab_size=4, hidden=2, cell="rnn", nonlinearity="relu"),
    ModelConfig(vocab_size=4, hidden=2, embedding=2, ngrams=3, ngram_rows=4, ngram_dropout=0.5),
    ModelConfig(vocab_size=4, hidden=2, embedding=2, ngrams=2, ngram_rows=4, skip_connection="input"),
)
CHARACTERS = "\nab🙂é"


@cache
def whole_files() -> list[tuple[dict[str, Any], dict[str, Any], bytes]]:
    """(header without metadata, metadata, tensors) of files that are as they should be."""
    return [_whole(config, dtype) for config in CONFIGS for dtype in (np.float32, np.float16)]


def _whole(config: ModelConfig, dtype: type) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    numbers = np.random.default_rng(0)
    shapes = weight_shapes(config)
    content = save({name: numbers.standard_normal(shape).astype(dtype) for name, shape in shapes.items()})
    end = 8 + int.from_bytes(content[:8], "little")
    vocabulary = {"characters": CHARACTERS[: config.vocab_size], "has_unknown": False}
    about = {"format": 1, "config": to_json(config), "vocabulary": vocabulary, "provenance": {"corpus": "x"}}
    return json.loads(content[8:end]), about, content[end:]


def make(numbers: Random) -> bytes:
    header, about, tensors = numbers.choice(whole_files())
    match numbers.randrange(10):
        case 0:
            return mutated_bytes(numbers, _file(header, json_bytes(about), tensors))
        case 1 | 2:
            return _framed(mutated_bytes(numbers, _header(header, json_bytes(about))), tensors)
        case 3 | 4:
            return _framed(_header(mutated_json(numbers, header), json_bytes(about)), tensors)
        case 5 | 6:
            return _file(header, json_bytes(mutated_json(numbers, about)), tensors)
        case 7:
            return _file(header, mutated_bytes(numbers, json_bytes(about)), tensors)
        case 8:
            return _file(header, json_bytes(about), mutated_bytes(numbers, tensors))
        case _:
            return mutated_bytes(
                numbers, numbers.choice((b"", b"{}", pickle.dumps(about), numbers.randbytes(40)))
            )


def _header(tensors: Any, about: bytes) -> bytes:
    metadata = {"__metadata__": {"charnn": about.decode("utf-8", "surrogateescape")}}
    return json_bytes(metadata | tensors if isinstance(tensors, dict) else [metadata, tensors])


def _framed(header: bytes, tensors: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + tensors


def _file(header: dict[str, Any], about: bytes, tensors: bytes) -> bytes:
    return _framed(_header(header, about), tensors)


def run(case: bytes, folder: Path) -> str:
    path = folder / "model.safetensors"
    path.write_bytes(case)
    model = load(path)
    assert len(model.sample(length=3, seed=0)) == 3
    score = model.score(model.vocabulary.characters[:3])
    assert isfinite(score.log_prob)
    assert score.log_prob <= 0
    return ACCEPTED


TARGET = Target("models", make, run)
