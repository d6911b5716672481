import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from charnn.config import MAX_VALIDATION, DataConfig
from charnn.data.cache import clear_cache
from charnn.data.corpus import Corpus, TokenView, open_corpus
from charnn.data.vocab import Vocabulary
from charnn.errors import CorpusError, InputError


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def data_of(folder: Path, text: str, **options: Any) -> DataConfig:
    (folder / "corpus.txt").write_bytes(text.encode())
    return DataConfig(sources=(str(folder / "corpus.txt"),), **options)


def text_of(corpus: Corpus, part: TokenView | None) -> str:
    assert part is not None
    return corpus.vocabulary.decode(part.read(0, len(part)))


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize(("fraction", "train"), [(None, 90), (0.1, 90), (0.25, 75), (0.333, 66)])
def test_the_first_characters_train_and_the_rest_validates(
    tmp_path: Path, fraction: float | None, train: int
) -> None:
    text = ("漢字 mixed 😀 " * 10)[:100]
    corpus = open_corpus(data_of(tmp_path, text, val_fraction=fraction))
    assert text_of(corpus, corpus.train) == text[:train]
    assert text_of(corpus, corpus.val) == text[train:]
    assert corpus.chars == 100
    assert corpus.vocabulary == Vocabulary("".join(sorted(set(text))))


def test_fraction_zero_keeps_nothing_for_validation(tmp_path: Path) -> None:
    corpus = open_corpus(data_of(tmp_path, "abc", val_fraction=0.0))
    assert corpus.val is None and len(corpus.train) == 3


def test_only_the_default_fraction_is_capped(tmp_path: Path) -> None:
    text = "abcdefghij" * (MAX_VALIDATION // 10 * 11 // 10 * 10)
    n = len(text)
    assert n // 10 > MAX_VALIDATION
    for fraction, train in ((None, n - MAX_VALIDATION), (0.1, int(0.9 * n))):
        assert len(open_corpus(data_of(tmp_path, text, val_fraction=fraction)).train) == train


def test_a_validation_file_of_its_own_shares_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("zebra")
    data = data_of(tmp_path, "hello", val=str(tmp_path / "val.txt"))
    corpus = open_corpus(data)
    assert (text_of(corpus, corpus.train), text_of(corpus, corpus.val)) == ("hello", "zebra")
    assert corpus.vocabulary.characters == "abehlorz" and corpus.chars == 10
    (tmp_path / "val.txt").write_text("zebrA")
    with pytest.raises(CorpusError, match="has changed since the run began"):
        open_corpus(data, sha256=corpus.sha256)


def test_a_limit_on_the_vocabulary_counts_what_became_unknown(tmp_path: Path) -> None:
    corpus = open_corpus(data_of(tmp_path, "aaaabbbcd!" * 10, max_vocab=3))
    assert corpus.vocabulary == Vocabulary("ab", has_unknown=True)
    assert corpus.unknown == 30
    assert corpus.train.read(0, 10).tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert open_corpus(data_of(tmp_path, "ab" * 10, max_vocab=2)).unknown == 0


def test_a_base_vocabulary_is_extended(tmp_path: Path) -> None:
    corpus = open_corpus(data_of(tmp_path, "abcabc", val_fraction=0.0), base=Vocabulary("zb"))
    assert corpus.vocabulary.characters == "zbac"
    assert corpus.train.read(0, 3).tolist() == [2, 1, 3]


def test_bytes_replaced_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"ab\xffcd" * 10)
    corpus = open_corpus(DataConfig(sources=(str(tmp_path / "x"),), errors="replace"))
    assert corpus.replaced == 10 and "\ufffd" in corpus.vocabulary


@pytest.mark.parametrize("text", ["", "a", "aaaaaaaaaaaaaaaaaaaaaaaa", "ab", "abcabcabc", "\ufeff"])
def test_a_corpus_too_short_states_the_minimum_and_what_was_found(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorpusError, match=r"too short: it needs 2 characters or more.*found \d+") as error:
        open_corpus(data_of(tmp_path, text))
    assert error.value.exit_code == 2


@pytest.mark.parametrize("text", ["ab", "abcabcabc"])
def test_a_short_corpus_trains_without_validation(tmp_path: Path, text: str) -> None:
    assert len(open_corpus(data_of(tmp_path, text, val_fraction=0.0)).train) == len(text)


@pytest.mark.parametrize(
    "options",
    [{"val_fraction": 1.0}, {"val_fraction": -0.1}, {"val_fraction": float("nan")}, {"max_vocab": 1}],
)
def test_impossible_options_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"--(val-fraction|max-vocab)"):
        open_corpus(data_of(tmp_path, "text " * 10, **options))


def test_a_changed_corpus_is_refused_on_resume_and_an_unchanged_one_accepted(tmp_path: Path) -> None:
    data = data_of(tmp_path, "abcd" * 10)
    sha256 = open_corpus(data).sha256
    assert open_corpus(data, sha256=sha256).sha256 == sha256
    (tmp_path / "corpus.txt").write_text("abcD" * 10)
    with pytest.raises(CorpusError, match="changed since the run began"):
        open_corpus(data, sha256=sha256)


def test_a_piped_corpus_is_kept_for_the_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "val.txt").write_text("abab")
    for val in (None, str(tmp_path / "val.txt")):
        data = DataConfig(sources=("-",), val=val)
        pipe(monkeypatch, "abcd" * 10)
        first = open_corpus(data)
        pipe(monkeypatch, "")
        again = open_corpus(data, sha256=first.sha256)
        assert text_of(again, again.train) == text_of(first, first.train)
    clear_cache()
    with pytest.raises(CorpusError, match="changed since"):
        open_corpus(data, sha256=first.sha256)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(CorpusError, match="pipe it in again"):
        open_corpus(data, sha256=first.sha256)
    pipe(monkeypatch, "abcd" * 10)
    assert open_corpus(data, sha256=first.sha256).sha256 == first.sha256


def test_standard_input_serves_once() -> None:
    with pytest.raises(InputError, match="standard input"):
        open_corpus(DataConfig(sources=("-",), val="-"))


def test_reading_a_corpus_imports_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from charnn.config import DataConfig; from charnn.data.corpus import open_corpus\n"
        f"open_corpus({data_of(tmp_path, 'abc' * 10)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=dict(os.environ))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak")
def test_peak_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Peaks of child processes: 1 MB against 40 MB, of an alphabet that outgrows a byte half-way."""
    peaks = []
    for size in (500_000, 20_000_000):
        wide = "".join(map(chr, range(0x400, 0x600)))
        (tmp_path / "x").write_text("ab" * (size // 4) + wide + "é" * (size // 4), encoding="utf-8")
        script = (
            "from charnn.data.encode import encode_text\n"
            f"encode_text([{str(tmp_path / 'x')!r}])\n"
            "status = open('/proc/self/status').read()\n"  # getrusage's peak is the forking process's too
            "print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)"
        )
        result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        peaks.append(int(result.stdout))
    assert peaks[1] - peaks[0] < 10, peaks


@pytest.mark.parametrize("documents", ["none", "lines"])
@pytest.mark.parametrize("moment", ["before a reading", "in the middle of one"])
def test_a_cached_text_cut_short_while_it_is_trained_on_is_one_line_and_no_crash(
    tmp_path: Path, documents: str, moment: str
) -> None:
    """Reading a map beyond the end of its file would kill the process with SIGBUS, however it is checked before."""
    data = data_of(tmp_path, "abcdefg\n" * 10_000 + "x" * 9, val_fraction=0.0, documents=documents)
    script = (
        "import os; from pathlib import Path\n"
        "from charnn.config import DataConfig; from charnn.data import stored_array\n"
        "from charnn.data.cache import cache_folder; from charnn.data.corpus import open_corpus\n"
        "from charnn.errors import CharnnError\n"
        "stored_array.SMALL = stored_array.IN_MEMORY = 0\n"
        f"data = {data!r}\n"
        "corpus = open_corpus(data)\n"
        "tokens = corpus.train if hasattr(corpus.train, 'gather') else corpus.train.tokens\n"
        "cut = lambda: [os.truncate(path, 100) for path in cache_folder().rglob('*.bin')]\n"
        "def pread(*given, read=os.pread): cut(); return read(*given)\n"
        + ("cut()\n" if moment == "before a reading" else "os.pread = pread\n")
        + "for read in (lambda: tokens.read(0, 80_000), lambda: tokens.gather(range(60_000))):\n"
        "    try: read()\n"
        "    except CharnnError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("was cut short while it was in use") == 2
