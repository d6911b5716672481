"""SECURITY.md promises that each fault has its tests: they are there, and every fault of the list has some."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SECURITY = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\d+) [^|]+\| (.+) \|$", SECURITY, flags=re.MULTILINE))
FAULTS = range(13, 44)


def test_every_fault_has_a_row() -> None:
    assert [int(number) for number in ROWS] == list(FAULTS)


@pytest.mark.parametrize("number", FAULTS)
def test_its_tests_are_there(number: int) -> None:
    named = re.findall(r"`(test_\w+)`(:?)", ROWS[str(number)])
    assert [colon for _, colon in named].count("") > 0
    text = ""
    for name, colon in named:
        if colon:
            text = (TESTS / f"{name}.py").read_text(encoding="utf-8")
        else:
            assert f"def {name}(" in text
