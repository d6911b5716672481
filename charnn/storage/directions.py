"""A bidirectional model's two halves, each a model by itself."""

from dataclasses import replace

from charnn.model.shapes import BACKWARD, FORWARD
from charnn.storage.model_file import ModelFile


def directions(model: ModelFile) -> tuple[ModelFile, ModelFile]:
    """The forward and the backward half of a bidirectional model: the latter is a model of reversed text.

    They share vocabulary and provenance with it; the output layer over both is in neither.
    """
    return _half(model, FORWARD), _half(model, BACKWARD)


def _half(model: ModelFile, direction: str) -> ModelFile:
    weights = {
        name.removeprefix(direction): weight
        for name, weight in model.weights.items()
        if name.startswith(direction)
    }
    return replace(model, config=replace(model.config, bidirectional=False), weights=weights)
