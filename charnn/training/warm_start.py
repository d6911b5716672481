"""Weights to start from that another model learned: `--init-from`. Characters are matched by character."""

from math import log

import torch
from torch import Tensor

from charnn.config import TRAIN_SETTINGS, ModelConfig, TrainOptions
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.model.kinds import character_axes, kind_options
from charnn.settings import settings_of
from charnn.storage.model_file import ModelFile

NEW_SHARE = 0.01  # of the probability, for all new characters together
ARCHITECTURE = [name for name, one in settings_of(ModelConfig).items() if one.is_architecture]


def with_architecture(options: TrainOptions, model: ModelConfig) -> TrainOptions:
    """The options with the network's shape taken from `model`. Raises InputError for one that says otherwise."""
    shape = {name: getattr(model, name) for name in ARCHITECTURE} | kind_options(model.kind)
    for name, its in shape.items():
        given = options.get(name)
        if given is not None and given != its:
            raise InputError(
                f"{TRAIN_SETTINGS[name].option} {given} differs from the --init-from model's {its}"
            )
    if model.cell != "rnn":
        del shape["nonlinearity"]
    return {**options, **shape}


def adapted_weights(
    model: ModelFile, vocabulary: Vocabulary, pairs: PairVocabulary | None = None
) -> dict[str, Tensor]:
    """The model's weights with one row or column for each character of `vocabulary`, and for each source id of `pairs`.

    A character that the model doesn't know gets the mean of the known ones, and a bias so much lower that all new ones
    together are given at most NEW_SHARE. (A mean logit's share is at most 1/V, by Jensen's inequality.)
    """
    weights = {name: torch.from_numpy(array.copy()) for name, array in model.dense_weights().items()}
    places = _places(model.vocabulary, vocabulary)
    for name, axis in character_axes(model.config).items():
        weights[name] = _matched(weights[name], axis, places)
    if model.pairs and pairs:
        name = "source_embedding.weight"
        weights[name] = _matched(weights[name], 0, _source_places(model.pairs, pairs))
    is_new = torch.tensor(places) < 0
    for name in (name for name in weights if name.endswith("output.bias")):
        weights[name][is_new] -= log(max(int(is_new.sum()) / (NEW_SHARE * len(model.vocabulary)), 1.0))
    return weights


def _places(old: Vocabulary, new: Vocabulary) -> list[int]:
    """The old id of each new one, or −1. A document's end stands for what ended a line, where there was no end."""
    end = int(old.encode("\n")[0]) if old.end_id is None else old.end_id
    return [
        *old.encode(new.characters).tolist(),
        *[old.unknown_id] * new.has_unknown,
        *[end] * new.has_end,
    ]


def _source_places(old: PairVocabulary, new: PairVocabulary) -> list[int]:
    """The old id of each new source id, or −1."""
    features = Vocabulary(old.features).encode(new.features) if old.features else [-1] * len(new.features)
    of_features = [i if i < 0 else len(old.source) + i for i in map(int, features)]
    return [*old.source_vocabulary.encode(new.source).tolist(), *of_features, old.unknown_id]


def _matched(weight: Tensor, axis: int, places: list[int]) -> Tensor:
    mean = weight.mean(dim=axis)
    return torch.stack([mean if i < 0 else weight.select(axis, i) for i in places], dim=axis)
