"""`charnn score --html`: a page that shows everything and loads nothing."""

import json
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from cli import in_process
from helpers import ALPHABET, random_model, written

from charnn.config import ModelConfig
from charnn.errors import UnknownCharacterError


@pytest.fixture
def score(tmp_path_factory, capsys):
    """Run `charnn score`; gives stdout."""
    stored = random_model(ModelConfig(vocab_size=len(ALPHABET), hidden=16))
    path = str(written(tmp_path_factory.mktemp("model"), stored))
    return lambda *more: in_process(capsys, "score", "-m", path, *more)[0]


class Page(HTMLParser):
    """The characters of a page, each with its class and title; everything that the page would load."""

    def __init__(self, text):
        super().__init__()
        self.spans, self.loads, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "span" and "title" in attrs:
            self.spans.append((attrs["class"], attrs["title"]))
        self.loads += [value for name, value in attrs.items() if name in ("src", "href")]
        self.loads += [tag] if tag in ("script", "link", "img", "iframe") else []

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_nothing_from_elsewhere_and_says_everything(score, tmp_path):
    path = tmp_path / "page.html"
    out = score("To be", "not", "--html", str(path))
    assert out == score("To be", "not")
    page = Page(path.read_text())
    assert not page.loads and len(page.spans) == 8
    bits = json.loads(score("To be", "--json", "--chars"))["surprisal_bits"]
    assert [title.split(" bits")[0] for _, title in page.spans[:5]] == [f"{b:.2f}" for b in bits]
    assert "under 1" in page.text and "8 or more" in page.text
    score("To be", "--top", "2", "--html", str(path))
    assert "likeliest: " in Page(path.read_text()).spans[0][1]


def test_a_page_on_standard_output_stands_there_alone(score):
    assert Page(score("To be", "not", "--html", "-")).text[-1].strip() == ""
    page = Page(score("To be", "not", "--html", "/dev/stdout", "--json"))
    assert len(page.spans) == 8 and not any("log_prob" in text for text in page.text)


def test_the_page_escapes_what_texts_hold(tmp_path, capsys):
    characters = "\n<script>&\"'/\x1b\x00\u202ealert()"
    characters = "".join(dict.fromkeys(characters))
    config = ModelConfig(vocab_size=len(characters), hidden=4)
    model = str(written(tmp_path, random_model(config, characters=characters)))
    page = tmp_path / "page.html"
    in_process(
        capsys, "score", "-m", model, "<script>alert()</script>&\"'\x1b\x00\u202e", "--html", str(page)
    )
    text = page.read_text()
    assert "<script" not in text and not set(text) & set("\x1b\x00\u202e")
    assert "".join(Page(text).text).count("<") == 2


def test_the_page_of_a_whole_file_holds_its_text_once(score, tmp_path):
    path, file = tmp_path / "page.html", tmp_path / "texts.txt"
    file.write_text("To be\nnot to be\nzzz\n\n")
    score("--whole", "-f", str(file), "--html", str(path), "--json")
    text = path.read_text()
    assert len(Page(text).spans) == 21 and text.count("<pre>") == text.count("</pre>") == 1


def test_an_error_leaves_no_page(score, tmp_path):
    with pytest.raises(UnknownCharacterError):
        score("ab", "日", "--html", str(tmp_path / "page.html"))
    assert list(tmp_path.iterdir()) == []


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "firefox"))), None
)


@pytest.mark.skipif(BROWSER is None or "firefox" in BROWSER, reason="no Chromium on this machine")
def test_a_browser_opens_the_page(score, tmp_path):
    path = tmp_path / "page.html"
    score("To be", "--html", str(path))
    ended = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--dump-dom", path.as_uri()],
        capture_output=True,
        timeout=300,
        check=True,
    )
    assert ended.stdout.count(b"title=") == 5
