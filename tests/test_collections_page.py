"""docs/collections.md: its commands run one after another, as they stand."""

import json
import re
import shlex
from pathlib import Path

import pytest
from torture import processes

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/collections.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line)[1:] for kind, block in BLOCKS if not kind for line in block.splitlines() if line
]
LITTLE = ["--steps", "6", "--batch-size", "2", "--seq-length", "16", "--hidden", "8"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page speaks of, made longer."""
    home = tmp_path_factory.mktemp("collections")
    (home / "corpora").mkdir()
    (home / "corpora/villages.txt").write_bytes((ROOT / "corpora/villages.txt").read_bytes())
    head, *rows = dict(BLOCKS)["csv"].splitlines()
    (home / "posts.csv").write_text("\n".join([head, *rows * 5]) + "\n")
    (home / "recipes.jsonl").write_text(dict(BLOCKS)["json"] * 5)
    return home


def shortened(command: list[str]) -> list[str]:
    """The same with a few steps instead of minutes."""
    if command[0] != "train":
        return command
    place = command.index("--minutes")
    return command[:place] + command[place + 2 :] + LITTLE


def test_the_commands_do_what_the_page_says(home: Path) -> None:
    written = {}
    for command in COMMANDS:
        ended = processes.run(home, *shortened(command))
        assert ended.code == 0, ended.stderr
        written[" ".join(command)] = ended.stdout
    starts = [
        json.loads((home / "checkpoints" / name / "metrics.jsonl").read_text().splitlines()[0])
        for name in ("villages", "posts", "recipes")
    ]
    assert [start["documents_kind"] for start in starts] == ["lines", "records", "records"]
    assert [start["documents"] for start in starts] == [640, 15, 10]
    lines = [
        text.count("\n") for command, text in written.items() if "sample" in command and "villages" in command
    ]
    assert lines == [10, 3]
