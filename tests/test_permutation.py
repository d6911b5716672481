import numpy as np
import pytest

from charnn.data.permutation import Permutation, key_of


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 1000, 65_537])
def test_every_number_stands_at_one_place(size: int) -> None:
    found = Permutation(size, key_of(1, 2))(np.arange(size))
    assert sorted(found.tolist()) == list(range(size))


def test_places_can_be_asked_for_apart() -> None:
    order = Permutation(1000, 5)
    assert order(np.array([7, 900])).tolist() == order(np.arange(1000))[[7, 900]].tolist()


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {
        tuple(Permutation(50, key_of(seed, epoch))(np.arange(50))) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_an_order_is_no_pattern() -> None:
    order = Permutation(10_000, 3)(np.arange(10_000))
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.05
