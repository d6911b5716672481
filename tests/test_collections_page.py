"""docs/collections.md: its commands run one after another, as they stand."""

import json
from pathlib import Path

import pytest
from doc_commands import blocks_of, commands_of, run_all

ROOT = Path(__file__).parent.parent
PAGE = "collections.md"
LITTLE = ["--steps", "6", "--batch-size", "2", "--seq-length", "16", "--hidden", "8"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page speaks of, made longer."""
    home, blocks = tmp_path_factory.mktemp("collections"), dict(blocks_of(PAGE))
    (home / "corpora").mkdir()
    (home / "corpora/villages.txt").write_bytes((ROOT / "corpora/villages.txt").read_bytes())
    head, *rows = blocks["csv"].splitlines()
    (home / "posts.csv").write_text("\n".join([head, *rows * 5]) + "\n")
    (home / "recipes.jsonl").write_text(blocks["json"] * 5)
    return home


def test_the_commands_do_what_the_page_says(home: Path) -> None:
    written = run_all(home, commands_of(PAGE), LITTLE)
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
