"""Where a run's text came from: no secret in its files, and nothing fetched because a stranger's file says so."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from training_helpers import run

import charnn
from charnn.data.cache import clear_cache
from charnn.errors import CorpusError, InputError
from charnn.training.events import Notice, RunSummary
from charnn.training.run_lock import run_name

SECRET = "hunter2"
TEXT = b"to be or not to be that is the question " * 20


class Server(ThreadingHTTPServer):
    asked = 0


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    with Server(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running, f"127.0.0.1:{running.server_port}/text.txt"
        running.shutdown()
        thread.join()


def test_no_file_of_a_run_and_no_line_of_its_plan_holds_a_secret(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    address = f"http://user:{SECRET}@{server[1]}?X-Amz-Signature={SECRET}"
    events = run(address, tmp_path / "run", steps=2)
    said = " ".join(str(event) for event in events if isinstance(event, RunSummary | Notice))
    assert SECRET not in said and server[1] in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "model.safetensors" for path in files)
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    run(address, tmp_path / "run", steps=3, resume=True)  # named again


def test_what_is_cached_is_not_fetched_again(server: tuple[Server, str], tmp_path: Path) -> None:
    run(f"http://{server[1]}", tmp_path / "run", steps=2)
    asked = server[0].asked
    run(None, tmp_path / "run", steps=3, resume=True)
    assert server[0].asked == asked


@pytest.mark.parametrize("query", ["", f"?token={SECRET}"])
@pytest.mark.parametrize("named_again", [False, True])
def test_a_run_goes_on_with_the_cached_text_where_its_server_is_gone(
    server: tuple[Server, str], tmp_path: Path, query: str, named_again: bool
) -> None:
    address = f"http://{server[1]}{query}"
    run(address, tmp_path / "run", steps=2)
    server[0].shutdown()
    server[0].server_close()
    assert run(address if named_again else None, tmp_path / "run", resume=True, steps=4)[-1].step == 4
    clear_cache()
    with pytest.raises(CorpusError, match="can't be fetched") as error:
        run(address if named_again else None, tmp_path / "run", resume=True, steps=6)
    assert SECRET not in str(error.value)


def test_an_address_is_fetched_again_only_where_this_user_began_the_run(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    address = f"http://{server[1]}"
    run(address, tmp_path / "run", steps=2)
    clear_cache()
    run(None, tmp_path / "run", steps=3, resume=True)  # begun here
    clear_cache()
    shutil.copytree(tmp_path / "run", tmp_path / "stranger")
    asked = server[0].asked
    with pytest.raises(CorpusError, match="which isn't fetched because a file says so"):
        run(None, tmp_path / "stranger", steps=4, resume=True)
    shutil.rmtree(
        tmp_path / "stranger/resume"
    )  # nor from the metrics of a run that was killed before it saved
    metrics = tmp_path / "stranger/metrics.jsonl"
    metrics.write_text(
        "".join(line for line in metrics.read_text().splitlines(True) if '"event": "start"' in line)
    )
    with pytest.raises(CorpusError, match="which isn't fetched because a file says so"):
        run(None, tmp_path / "stranger", resume=True)
    assert server[0].asked == asked
    run(address, tmp_path / "stranger", steps=3, resume=True)  # named


def test_an_address_to_validate_on_is_no_exception(server: tuple[Server, str], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(TEXT)
    address = f"http://me:{SECRET}@{server[1]}"
    run(str(tmp_path / "text.txt"), tmp_path / "run", steps=2, val=address)
    clear_cache()
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(CorpusError, match="which isn't fetched"):
        run(None, tmp_path / "run", steps=4, resume=True)
    run(None, tmp_path / "run", steps=4, resume=True, val=address)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (f"http://user:{SECRET}@host?key={SECRET}", "host"),
        (f"https://host/book.txt?sig={SECRET}", "book"),
        ("/texts/who?.txt", "who"),
        ("x" * 251 + ".txt", "x" * 200),
        ("漢" * 80 + ".txt", "漢" * 66),
        ("caf\udce9.txt", "caf"),
    ],
)
def test_a_run_is_named_after_its_corpus(source: str, name: str) -> None:
    assert run_name([source]) == name


def test_an_empty_name_is_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from an unset variable of a shell; it isn't the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_bytes(TEXT)
    with pytest.raises(InputError, match="empty name") as error:
        charnn.train([""], out=str(tmp_path / "run"), steps=1)
    assert error.value.exit_code == 2 and not (tmp_path / "run").exists()
