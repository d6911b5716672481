"""Many generators at once are those that NumPy makes one by one."""

import numpy as np
import pytest

from charnn.inference.generators import generators


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1, 2**32, 2**64 - 1, 2**128 - 1, 2**200])
@pytest.mark.parametrize(
    "indices", [range(3), range(510, 515), range(2**32 - 2, 2**32), range(2**32 - 1, 2**32 + 2)]
)
def test_they_are_numpys(seed, indices):
    theirs = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))) for i in indices]
    for ours, expected in zip(generators(seed, indices), theirs, strict=True):
        assert ours.bit_generator.state == expected.bit_generator.state
        assert np.array_equal(ours.random(5), expected.random(5))
