"""A short one of the long campaign (`make fuzz`: a hundred thousand inputs each); what once did harm is tried again."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from fuzz.campaign import ACCEPTED, REFUSED, Outcome, Target, campaign, memory_folder, tried
from fuzz.models import whole_files
from fuzz.mutate import VALUES, mutated_bytes, mutated_json
from fuzz.states import whole_runs
from fuzz.targets import TARGETS

from charnn.errors import InputError

INPUTS = {"models": 400, "states": 60, "corpora": 150, "commands": 150}
REGRESSIONS = [
    pytest.param(target, path, id=f"{target.name}-{path.name}")
    for target in TARGETS.values()
    for path in target.regressions()
]


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=memory_folder()) as name:
        yield Path(name)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_nothing_but_our_errors_comes_out(target: Target, folder: Path) -> None:
    outcome = campaign(target, 1, range(INPUTS[target.name]), folder)
    assert outcome.surprises == []
    assert 0 < outcome.accepted < outcome.tried


@pytest.mark.parametrize(("target", "path"), REGRESSIONS)
def test_what_once_did_harm_does_none(target: Target, path: Path, folder: Path) -> None:
    came, surprise = tried(target, path.read_bytes(), folder)
    assert surprise is None
    assert came in (ACCEPTED, REFUSED)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_a_case_is_made_again_from_its_seed(target: Target) -> None:
    first = [target.case(3, number) for number in range(5)]
    whole_files.cache_clear()
    whole_runs.cache_clear()
    assert [target.case(3, number) for number in range(5)] == first
    assert len(set(first)) > 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("config"), "KeyError: 'config'"),
        (MemoryError(), "MemoryError: "),
        (AssertionError("not what was promised"), "AssertionError: not what was promised"),
        (InputError(""), "a InputError that says nothing"),
        (InputError("one line"), None),
    ],
)
def test_a_surprise_is_told_named_and_kept(error: Exception, said: str | None, tmp_path: Path) -> None:
    def run(_case: bytes, _folder: Path) -> str:
        raise error

    target = Target("some", lambda numbers: numbers.randbytes(4), run)
    outcome = campaign(target, 7, range(5, 6), tmp_path, keep=tmp_path)
    kept = [path.read_bytes() for path in tmp_path.glob("some/*")]
    if said is None:
        assert outcome == Outcome(tried=1)
        assert kept == []
    else:
        assert outcome.surprises[0].startswith(f"some --seed 7 --case 5: {said}")
        assert kept == [target.case(7, 5)]


def test_mutations_leave_what_they_were_given_and_change_it_mostly() -> None:

    content, value = bytes(range(100)), {"a": [1, {"b": "text"}], "c": None}
    before, choices = repr(value), repr(VALUES)
    changes = [mutated_bytes(Random(seed), content) != content for seed in range(200)]
    assert sum(changes) > 150
    assert sum(mutated_json(Random(seed), value) != value for seed in range(200)) > 150
    assert repr(value) == before
    assert repr(VALUES) == choices
