"""Small models of pairs, made without training, and small files of pairs."""

from pathlib import Path
from random import Random

import numpy as np

from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary, Separators
from charnn.data.vocab import Vocabulary
from charnn.inference.translator import Translator
from charnn.model.kinds import weight_shapes
from charnn.storage.model_file import ModelFile

SOURCE, FEATURES, TARGET = "abcd", "", "abcxy"


def pair_config(**changes: object) -> ModelConfig:
    """A small encoder–decoder for SOURCE and TARGET."""
    settings = {
        "vocab_size": len(TARGET) + 2,
        "source_size": len(SOURCE) + 1,
        "hidden": 6,
        "encoder_hidden": 5,
        "embedding": 4,
        "copy_gate": "on",
        "kind": "encoder_decoder",
    }
    return ModelConfig(**{**settings, **changes})  # type: ignore[arg-type]


def random_pair_model(
    config: ModelConfig | None = None,
    seed: int = 0,
    pairs: PairVocabulary | None = None,
    target: str = TARGET,
) -> ModelFile:
    """A model whose weights are random and large enough to make its symbols differ in likelihood."""
    config = config or pair_config()
    numbers = np.random.default_rng(seed)
    weights = {
        name: numbers.standard_normal(shape).astype(np.float32)
        for name, shape in weight_shapes(config).items()
    }
    vocabulary = Vocabulary(target, has_unknown=True, has_end=True)
    pairs = pairs or PairVocabulary(SOURCE, FEATURES, (), Separators())
    return ModelFile(config, vocabulary, weights, {"corpus": "random"}, None, pairs)


def translator(**changes: object) -> Translator:
    return Translator.of(random_pair_model(pair_config(**changes)))


def write_reversals(path: Path, count: int = 60, seed: int = 1, alphabet: str = "abc") -> Path:
    """Strings and what they are backwards, tab-separated, no string twice."""
    numbers = Random(seed)
    words = {"".join(numbers.choices(alphabet, k=numbers.randint(2, 6))): None for _ in range(4 * count)}
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in list(words)[:count]), encoding="utf-8")
    return path
