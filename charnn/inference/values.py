"""Values that hold arrays, and compare as values do."""

from typing import Any

import numpy as np

_HASHED = (str, bytes, int, float, type(None))


class ArrayValue:
    """Two are equal when they are of one class and all that they hold is equal, arrays element by element.

    The hash is of what isn't an array.
    """

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _equal(vars(self), vars(other))

    def __hash__(self) -> int:
        plain = (value for value in vars(self).values() if isinstance(value, _HASHED))
        return hash((type(self).__qualname__, *plain))


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
