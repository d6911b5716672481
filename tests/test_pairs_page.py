"""docs/pairs.md: its commands run one after another, as they stand."""

from pathlib import Path

import pytest
from cli import environment
from doc_commands import blocks_of, commands_of, run_all

ROOT = Path(__file__).parent.parent
PAGE = "pairs.md"
LITTLE = ["--steps", "6", "--batch-size", "4", "--encoder-hidden", "8", "--hidden", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page speaks of."""
    home, blocks = tmp_path_factory.mktemp("pairs"), dict(blocks_of(PAGE))
    (home / "corpora").mkdir()
    lines = (ROOT / "corpora/dates.tsv").read_text().splitlines(keepends=True)
    (home / "corpora/dates.tsv").write_text("".join(lines[:150]))
    (home / "words.tsv").write_text(blocks["tsv"])
    (home / "forms.csv").write_text(blocks["csv"])
    return home


def test_the_commands_do_what_the_page_says(home: Path) -> None:
    written = run_all(home, commands_of(PAGE), LITTLE)
    counts = {name: text.count("\n") for name, text in written.items() if name.startswith("translate")}
    assert [*counts.values()] == [2, 3, 1, 1, 1, 1]
    (scores,) = (text for name, text in written.items() if name.startswith("score"))
    assert [line.split("  ")[0] for line in scores.splitlines()] == [
        "pairs",
        "sources",
        "accuracy",
        "wer",
        "symbol error rate",
        "nats per symbol",
    ]


def test_the_library_does_too(home: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(home)
    for name, value in environment(XDG_CACHE_HOME=str(home / "cache")).items():
        monkeypatch.setenv(name, value)
    code = dict(blocks_of(PAGE))["python"].replace("minutes=2", "steps=3, hidden=8, encoder_hidden=8")
    exec(compile(code, "docs/pairs.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 3
