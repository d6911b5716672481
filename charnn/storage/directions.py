"""The models that read in one direction of which a model is made."""

from dataclasses import replace

from charnn.model.kinds import BACKWARD, FORWARD, kind_of
from charnn.storage.model_file import ModelFile


def directions(model: ModelFile) -> tuple[ModelFile, ...]:
    """The forward and, of a bidirectional model, the backward one, which is a model of reversed text.

    They share vocabulary and provenance with it; a bidirectional model's output layer over both is in neither.
    """
    if kind_of(model.config).directions == 1:
        return (model,)
    return _one_of(model, FORWARD), _one_of(model, BACKWARD)


def _one_of(model: ModelFile, direction: str) -> ModelFile:
    weights = {
        name.removeprefix(direction): weight
        for name, weight in model.weights.items()
        if name.startswith(direction)
    }
    return replace(model, config=replace(model.config, kind="language_model"), weights=weights)
