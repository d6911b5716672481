"""docs/pairs.md: its commands run one after another, as they stand."""

import re
import shlex
from pathlib import Path

import pytest
from cli import environment
from torture import processes

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/pairs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line)[1:] for kind, block in BLOCKS if not kind for line in block.splitlines() if line
]
LITTLE = ["--steps", "6", "--batch-size", "4", "--encoder-hidden", "8", "--hidden", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page speaks of."""
    home = tmp_path_factory.mktemp("pairs")
    (home / "corpora").mkdir()
    lines = (ROOT / "corpora/dates.tsv").read_text().splitlines(keepends=True)
    (home / "corpora/dates.tsv").write_text("".join(lines[:150]))
    (home / "words.tsv").write_text(dict(BLOCKS)["tsv"])
    (home / "forms.csv").write_text(dict(BLOCKS)["csv"])
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
    code = dict(BLOCKS)["python"].replace("minutes=2", "steps=3, hidden=8, encoder_hidden=8")
    exec(compile(code, "docs/pairs.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 3
