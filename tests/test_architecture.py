"""Imports point one way, down the floors; what starts at once imports no torch; nothing unpickles."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "charnn"
FLOORS = [
    {"version", "errors", "bundled", "clock", "frozen"},
    {"config", "files", "outputs", "settings"},
    {"data"},
    {"model"},
    {"storage"},
    {"inference"},
    {"analysis", "export"},
    {"training"},
    {"notebook"},
    {"library"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the door, which every room's name passes through
    for module in imported(path):
        if module.startswith("charnn."):
            below = module.split(".")[1]
            assert FLOOR_OF[below] <= FLOOR_OF[room_of(path)], f"{path} imports {module}"


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in FILES} == set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_unpickles(path: Path) -> None:
    assert not {"pickle", "shelve", "marshal", "dill", "joblib"} & {
        name.split(".")[0] for name in imported(path)
    }
    assert "torch.load" not in path.read_text()


@pytest.mark.parametrize("module", ["charnn", "charnn.cli.app", "charnn.library", "charnn.inference.model"])
def test_no_torch_before_it_is_needed(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_command_line_needs_no_numpy_to_start() -> None:
    program = "import sys, charnn.cli.app; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
