"""The distribution of a next character, as the library gives it."""

from dataclasses import dataclass

import numpy as np

from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue


@dataclass(frozen=True, eq=False)
class Distribution(ArrayValue):
    """Of the next character: `probabilities` (n,), of `characters` in the same order.

    Where the vocabulary has an unknown character, it stands last, as U+FFFD. Together with `end`, the probability that
    the document ends here, their sum is 1 within 1e-6; of a model of continuous text that is 0.
    """

    characters: str
    probabilities: Doubles
    end: float = 0.0

    def top(self, count: int) -> list[tuple[str, float]]:
        """The `count` likeliest characters and their probabilities, likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.characters[i], float(self.probabilities[i])) for i in order]
