"""Small random models, made without torch."""

from pathlib import Path

import numpy as np

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.inference.encoding import state_after
from charnn.inference.engine import Engine
from charnn.inference.model import Model
from charnn.inference.scorer import Scorer, ScoringLimits
from charnn.model.kinds import weight_shapes
from charnn.storage.model_file import ModelFile, write_model

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz,.'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:;!?"


def random_model(
    config: ModelConfig, seed: int = 0, characters: str = ALPHABET, *, has_unknown: bool = False
) -> ModelFile:
    """A model whose weights are random and large enough to make its characters differ in likelihood.

    The vocabulary is the first of `characters`, as many as the configuration says.
    """
    numbers = np.random.default_rng(seed)
    scale = 2 / np.sqrt(config.hidden)
    weights = {
        name: (numbers.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in weight_shapes(config).items()
    }
    vocabulary = Vocabulary(characters[: config.vocab_size - has_unknown], has_unknown)
    return ModelFile(config, vocabulary, weights, {"corpus": "random"})


def loaded(stored: ModelFile) -> Model:
    """The model without a file."""
    return Model.of(stored)


def scorer_of(stored: ModelFile, **limits: int) -> Scorer:
    """What scores texts as `loaded(stored)` does, within these limits."""
    engine = Engine(stored.config, stored.weights)
    start = state_after(engine, stored.vocabulary, np.empty(0, np.intp))
    return Scorer(engine, stored.vocabulary, start, "error", limits=ScoringLimits(**limits))


def written(folder: Path, stored: ModelFile) -> Path:
    """The model as a file in `folder`."""
    path = folder / "model.safetensors"
    write_model(path, stored)
    return path
