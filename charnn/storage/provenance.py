"""What a model file says of its training. It may be missing, or nonsense: the file may be a stranger's."""

from collections.abc import Mapping
from typing import Any


def said(provenance: Mapping[str, Any], *names: str) -> Any:
    """What stands under these names, one within the other; None where nothing does."""
    value: Any = provenance
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def is_reversed(provenance: Mapping[str, Any]) -> bool:
    """Of pairs: whether the model was trained with --reverse, from the targets of its files to their sources."""
    return said(provenance, "training", "config", "data", "reverse") is True
