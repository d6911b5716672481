"""A frozen class is what `dataclass(frozen=True)` makes of the same body."""

import copy
import dataclasses
import pickle

import pytest

from charnn.frozen import frozen


@frozen(kw_only=True)
class Below:
    last: str = "z"


@frozen()
class Ours(Below):
    first: int
    second: list[int] = dataclasses.field(default_factory=list)

    @property
    def twice(self) -> int:
        return 2 * self.first


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainBelow:
    last: str = "z"


@dataclasses.dataclass(frozen=True)
class Plain(PlainBelow):
    first: int
    second: list[int] = dataclasses.field(default_factory=list)


CALLS = [((1,), {}), ((1, [2]), {"last": "y"}), ((), {"first": 3, "second": [4]})]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_values_are_those_of_a_plain_one(values, named):
    ours, plain = Ours(*values, **named), Plain(*values, **named)
    assert dataclasses.asdict(ours) == dataclasses.asdict(plain)
    assert repr(ours) == repr(plain).replace("Plain", "Ours")
    assert [one.name for one in dataclasses.fields(ours)] == [one.name for one in dataclasses.fields(plain)]
    assert ours.twice == 2 * plain.first


def test_a_default_is_made_anew():
    assert Ours(1).second is not Ours(1).second


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, [], "y"), {}), ((1,), {"first": 1}), ((1,), {"third": 1})]
)
def test_what_a_plain_one_refuses_is_refused(values, named):
    for kind in (Ours, Plain):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_it_is_frozen():
    one = Below()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.last = "y"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.last
    assert one.last == "z"


def test_equal_values_are_equal_and_hash_alike():
    assert Below(last="y") == Below(last="y") != Below()
    assert hash(Below(last="y")) == hash(Below(last="y"))
    assert Ours(1) != Plain(1)
    assert len({Below(), Below(), Below(last="y")}) == 2


def test_it_can_be_replaced_copied_and_sent():
    one = Ours(1, [2])
    assert dataclasses.replace(one, first=5) == Ours(5, [2])
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
