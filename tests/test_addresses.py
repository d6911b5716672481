"""Addresses: one host, and no secret where anybody could read it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from corpus_reader import corpus_text as read

from charnn.data.addresses import complaint, without_secrets
from charnn.data.cache import cached_texts
from charnn.data.encode import encode_text
from charnn.data.remote import _may_follow
from charnn.errors import CorpusError

SECRET = "hunter2"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        port = self.server.server_port
        targets = {
            "/away": f"http://me:{SECRET}@localhost:{port}/text?token={SECRET}#{SECRET}",
            "/here": "/text",
            "/twice": f"/away?token={SECRET}",
            "/file": f"file:///etc/passwd?token={SECRET}",
            "/loop": f"/loop?token={SECRET}",
            "/long": "http://localhost/" + "x" * 10_000,
        }
        if target := targets.get(self.path.partition("?")[0]):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        body = (self.headers["Authorization"] or "no password").encode()
        self.send_response(404 if self.path.startswith("/gone") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://a.org/b.txt?X-Amz-Signature=abc", "https://a.org/b.txt"),
        ("https://a.org/b.txt#token", "https://a.org/b.txt"),
        ("ftp://user:pass@word@a.org/b.txt", "ftp://a.org/b.txt"),
        ("s3://key:secret@bucket/x?y\nz", "s3://bucket/x"),
        ("https://a.org/@user/b.txt", "https://a.org/@user/b.txt"),
        ("book@home?.txt", "book@home?.txt"),
        ("-", "-"),
    ],
)
def test_what_is_shown_of_a_name(name: str, shown: str) -> None:
    assert without_secrets(name) == shown


def test_a_complaint_repeats_no_secret() -> None:
    address = "http://me:p%40ss@a.org:99x/b?sig=abc%2Fdef"
    error = ValueError("nonnumeric port: 'p%40ss@a.org' in ?sig=abc%2Fdef or abc/def of me:p@ss")
    said = complaint(address, error)
    assert not any(secret in said for secret in ("p%40ss", "p@ss", "abc%2Fdef", "abc/def"))


def test_a_redirect_is_followed_on_the_same_host_only(host: str) -> None:
    assert read(f"http://{host}/here") == "no password"
    with pytest.raises(
        CorpusError, match=r"redirects to http://localhost:\d+/text; name that address"
    ) as error:
        read(f"http://{host}/away")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("twice", r"redirects to http://localhost:\d+/text;"),
        ("file", "redirects to file:///etc/passwd; name that address"),
        ("loop", "redirects without end"),
        ("long", "redirects to http://localhost/x+; name that address"),
    ],
)
def test_where_a_redirect_leads_is_said_in_one_line_without_secrets(host: str, path: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said) as error:
        read(f"http://{host}/{path}")
    message = str(error.value)
    assert SECRET not in message and "\n" not in message and len(message) < 500


@pytest.mark.parametrize(
    ("address", "target", "followed"),
    [
        ("http://a.org/b", "https://a.org/b", True),
        ("https://a.org/b", "https://A.org:444/c", True),
        ("https://a.org/b", "http://a.org/b", False),
        ("https://a.org/b", "https://a.org.evil.org/b", False),
        ("https://a.org/b", "https://a.org@evil.org/b", False),
        ("http://a.org/b", "ftp://a.org/b", False),
    ],
)
def test_which_redirects_are_followed(address: str, target: str, followed: bool) -> None:
    assert _may_follow(address, target) is followed


def test_a_user_and_a_password_are_given_to_the_server_alone(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address = f"http://user:{SECRET}@{host}/text?key={SECRET}"
    assert read(address) == "Basic dXNlcjpodW50ZXIy"
    encode_text([address])
    assert cached_texts()[0].names == (f"http://{host}/text",)
    assert not any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*.json"))
    for wrong in (
        f"http://user:{SECRET}@{host}/gone?key={SECRET}",
        f"http://user:{SECRET}@127.0.0.1:1/?key={SECRET}",
        f"http://user:{SECRET}@{host}x/",
        f"nosuch://user:{SECRET}@host/x?key={SECRET}",
    ):
        with pytest.raises(CorpusError, match="can't be fetched") as error:
            read(wrong)
        assert SECRET not in str(error.value) and error.value.__cause__ is None
