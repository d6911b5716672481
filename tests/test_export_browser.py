"""Exported pages in a real browser: they load from a file, compute what the library computes, and obey their policy."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import complaints, resized, started
from helpers import ALPHABET, loaded, random_model
from pair_helpers import pair_config, random_pair_model
from test_document_models import stored as documents_model

from charnn.bundled import bundled_corpus, bundled_model
from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary, Separators
from charnn.export.page import page
from charnn.inference.infill import Filler
from charnn.inference.model import Model
from charnn.inference.translator import Translator
from charnn.storage.model_file import ModelFile, read_model

V = len(ALPHABET)
NETWORKS = {
    "lstm": ModelConfig(V, hidden=40),
    "lstm of two layers, widths that are no multiples of 4": ModelConfig(V, layers=2, hidden=33, embedding=7),
    "gru": ModelConfig(V, cell="gru", hidden=38, embedding=6),
    "gru of two layers, one-hot": ModelConfig(V, cell="gru", layers=2, hidden=21),
    "tanh": ModelConfig(V, cell="rnn", hidden=30),
    "relu": ModelConfig(V, cell="rnn", nonlinearity="relu", hidden=7, embedding=3),
    "n-grams": ModelConfig(V, hidden=24, embedding=16, ngrams=5, ngram_rows=128),
    "n-grams and a skip connection": ModelConfig(
        V, layers=2, hidden=24, embedding=16, ngrams=3, ngram_rows=128, skip_connection="input"
    ),
}
HELD_OUT = "".join(np.random.default_rng(5).choice(list(ALPHABET), 1000))
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Open:
    """Open a model's page from a file, which the browser must find nothing wrong with."""

    def open_page(stored: ModelFile, name: str = "a model") -> Any:
        path = tmp_path / "page.html"
        path.write_bytes(b"".join(page(stored, name)))
        browser.get(path.as_uri())
        assert complaints(browser) == []
        assert not browser.find_element("id", "loading").is_displayed()
        return browser

    return open_page


def text_of(driver: Any, name: str) -> str:
    return str(driver.find_element("id", name).text)


def waited(condition: Callable[[], Any]) -> Any:
    """What a condition gives as soon as that is something."""
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def said(driver: Any, name: str, beginning: str) -> str:
    """What a status says, once it says something that begins so."""
    return str(waited(lambda: (text := text_of(driver, name)).startswith(beginning) and text))


def log_probs(model: Model, text: str) -> list[float]:
    """Of each character, and of a document's end."""
    score = model.score(text)
    end = [] if score.end_log_prob is None else [score.end_log_prob]
    return [*(score.surprisal_bits * -np.log(2)).tolist(), *end]


def agrees(driver: Any, model: Model, text: str) -> None:
    found = driver.execute_script("return charnn.logProbs(arguments[0])", text)
    np.testing.assert_allclose(found, log_probs(model, text), atol=1e-3, rtol=0)


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
def test_log_probabilities_are_the_librarys(opened: Open, config: ModelConfig) -> None:
    stored = random_model(config)
    if config.nonlinearity == "relu":
        stored.weights["rnn.weight_hh_l0"][:] *= 0.3  # else it runs away, and any rounding with it
    agrees(opened(stored), loaded(stored), HELD_OUT)


def test_so_they_are_of_documents_and_their_ends(opened: Open) -> None:
    stored = documents_model("abc\n")
    agrees(opened(stored), Model.of(stored), "abcab\nca" * 125)


def test_so_they_are_of_the_model_that_ships(opened: Open) -> None:
    stored = read_model(bundled_model())
    text = bundled_corpus().read_text(encoding="utf-8")[-1000:]
    driver = opened(stored)
    agrees(driver, Model.of(stored), text)
    assert len(driver.execute_script("return charnn.sample('ROMEO:', {length: 200})")) == 200


def test_without_webassembly_loops_compute_the_same(opened: Open, browser: Any) -> None:
    added = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete globalThis.WebAssembly"}
    )
    try:
        stored = random_model(NETWORKS["lstm"])
        agrees(opened(stored), loaded(stored), HELD_OUT)
        assert browser.execute_script("return typeof WebAssembly") == "undefined"
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_draws_follow_the_distribution_at_their_temperature(opened: Open) -> None:
    stored = random_model(ModelConfig(6, hidden=5))
    driver = opened(stored)
    given = "ab"
    drawn = driver.execute_script(
        "return Array.from({length: 4000}, () => charnn.sample(arguments[0], {length: 1, temperature: 0.5}))",
        given,
    )
    distribution = loaded(stored).next(given)
    sharp = distribution.probabilities**2 / (distribution.probabilities**2).sum()
    shares = [drawn.count(character) / len(drawn) for character in distribution.characters]
    np.testing.assert_allclose(shares, sharp, atol=0.05)
    greedy = driver.execute_script("return charnn.sample('ab', {length: 50, temperature: 0})")
    assert greedy == loaded(stored).sample("ab", length=50, temperature=0)


def test_an_unknown_character_is_never_drawn_and_left_out_of_what_is_read(opened: Open) -> None:
    stored = random_model(ModelConfig(8, hidden=5), has_unknown=True)
    driver = opened(stored)
    agrees(driver, loaded(stored), "ab日ba" * 20)
    text = driver.execute_script("return charnn.sample('', {length: 2000, temperature: 1.5})")
    assert len(text) == 2000 and set(text) <= set(stored.vocabulary.characters)


def test_a_reader_writes_stops_goes_on_and_sees_what_may_follow(opened: Open) -> None:
    stored = random_model(NETWORKS["lstm"])
    driver = opened(stored)
    driver.find_element("id", "beginning").send_keys("To be")
    driver.execute_script("document.getElementById('length').value = 200")
    driver.find_element("id", "write").click()
    assert "Wrote 200 characters" in said(driver, "writing-status", "Wrote")
    shown = driver.execute_script("return document.getElementById('text').textContent")
    assert shown.startswith("To be") and len(shown) == 205
    bars = driver.find_elements("css selector", "#next button")
    likeliest = loaded(stored).next(shown).top(1)[0]
    name = {" ": "space", "\n": "newline"}.get(likeliest[0], likeliest[0])
    assert bars[0].text.splitlines() == [name, f"{100 * likeliest[1]:.1f} %"]
    bars[0].click()
    assert driver.execute_script("return document.getElementById('text').textContent") == shown + likeliest[0]
    driver.execute_script("document.getElementById('length').value = 100000")
    driver.execute_script(
        "document.getElementById('go-on').click();"
        "setTimeout(() => document.getElementById('stop').click(), 100);"  # before it has written so many
    )
    said(driver, "writing-status", "Stopped after")
    assert 206 < len(driver.execute_script("return document.getElementById('text').textContent")) < 100_000
    assert complaints(driver) == []


def test_temperature_colours_keyboard_and_copy(opened: Open) -> None:
    stored = random_model(NETWORKS["lstm"])
    driver = opened(stored)
    driver.execute_script(
        "const temperature = document.getElementById('temperature');"
        "temperature.value = 0;"
        "temperature.dispatchEvent(new Event('input'));"
        "document.getElementById('length').value = 60;"
    )
    assert text_of(driver, "temperature-shown") == "0.00"
    driver.find_element("id", "beginning").send_keys("ab", "\ue009", "\ue007")  # Ctrl-Enter
    assert "Wrote 60 characters" in said(driver, "writing-status", "Wrote")
    greedy = "ab" + loaded(stored).sample("ab", length=60, temperature=0)
    assert driver.execute_script("return document.getElementById('text').textContent") == greedy
    colours = (
        "const spans = [...document.querySelectorAll('#text span')];"
        "return new Set(spans.map((one) => getComputedStyle(one).backgroundColor)).size"
    )
    assert driver.execute_script(colours) > 1
    driver.find_element("id", "coloured").click()
    assert driver.execute_script(colours) == 1
    driver.execute_script(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => { copied = text; }}})"
    )
    driver.find_element("id", "copy").click()
    assert said(driver, "writing-status", "Copied") == "Copied."
    assert driver.execute_script("return copied") == greedy


def test_another_beginning_replaces_what_is_being_written(opened: Open) -> None:
    driver = opened(random_model(NETWORKS["lstm"]))
    driver.execute_script("document.getElementById('length').value = 100000")
    driver.execute_script(
        "document.getElementById('write').click();"
        "setTimeout(() => {"  # before it has written so many
        "  const beginning = document.getElementById('beginning');"
        "  beginning.value = 'abc';"
        "  beginning.dispatchEvent(new Event('input'));"
        "}, 100);"
    )
    shown = "return document.getElementById('text').textContent"
    waited(lambda: driver.execute_script(shown) == "abc" and text_of(driver, "next-after") == "after “abc”")
    assert text_of(driver, "writing-status") == ""
    assert not driver.find_element("id", "stop").is_enabled()
    assert complaints(driver) == []


def test_a_reader_measures_a_text(opened: Open) -> None:
    stored = random_model(NETWORKS["n-grams"])
    driver = opened(stored)
    driver.find_element("id", "given").send_keys("To be, or not zu sein, ist hiér")
    driver.find_element("css selector", "#scoring-form button").click()
    status = said(driver, "scoring-status", "")
    status = waited(lambda: "bits" in (text := text_of(driver, "scoring-status")) and text)
    score = loaded(stored).score("To be, or not zu sein, ist hiér", unknown="skip")
    assert status.startswith(f"{score.bits_per_char:.4f}"[:5]) and "never seen é" in status
    driver.find_element("css selector", "#each summary").click()
    rows = waited(lambda: driver.find_elements("css selector", "#each-rows tr"))
    assert [row.text for row in rows][4].split()[:2] == ["5", "e"]
    assert float(rows[4].text.split()[2]) == pytest.approx(score.surprisal_bits[4], abs=2e-3)
    assert len(rows) == 31 and complaints(driver) == []


def test_twenty_more_documents(opened: Open) -> None:
    driver = opened(documents_model("abc", end_bias=0.5))
    driver.find_element("id", "beginning").send_keys("ab")
    driver.find_element("id", "twenty").click()
    assert said(driver, "writing-status", "Wrote") == "Wrote 20 texts."
    written = [item.text for item in driver.find_elements("css selector", "#documents li")]
    assert len(written) == 20 and all(text.startswith("ab") for text in written) and len(set(written)) > 1


def test_gaps_are_filled_as_the_library_fills_them(opened: Open) -> None:
    stored = random_model(ModelConfig(20, hidden=12, embedding=5, kind="bidirectional"))
    driver, filler = opened(stored), Filler.of(stored)
    for text in ("abc__de\\_f_ghab", "a{}bc", "__"):
        found = driver.execute_script("return charnn.fill(arguments[0], {beam: 50, longest: 3})", text)
        expected = filler.fill(text, beam=50, max_length=3, unknown="skip")
        assert [tuple(one["fills"]) for one in found] == [one.fills for one in expected]
        np.testing.assert_allclose(
            [one["logProb"] for one in found], [one.log_prob for one in expected], atol=2e-3
        )
        np.testing.assert_allclose(
            [one["probability"] for one in found], [one.probability for one in expected], atol=1e-3
        )
    driver.find_element("id", "gapped").send_keys("abc_de")
    driver.find_element("id", "fill").click()
    assert said(driver, "filling-status", "Found") == "Found 5 ways."
    assert driver.find_element("css selector", "#fills mark").text == filler.fill("abc_de")[0].fills[0]
    assert complaints(driver) == []


PAIRS = {
    "attention": pair_config(copy_gate="off"),
    "copying": pair_config(),
    "gru of two layers, copying": pair_config(cell="gru", layers=2),
    "n-grams": pair_config(ngrams=3, ngram_rows=16),
    "no attention": pair_config(attention="none", copy_gate="off", layers=2),
    "tanh without attention": pair_config(cell="rnn", attention="none", copy_gate="off"),
}


def same_translations(driver: Any, translator: Translator, source: str, features: str = "") -> None:
    options = {"beam": 4, "count": 3, "features": features}
    found = driver.execute_script("return charnn.translate(...arguments)", source, options)
    expected = translator.translate(source, beam=4, count=3, features=features, unknown="replace")
    assert [one["target"] for one in found] == [one.target for one in expected.candidates]
    assert [one["ended"] for one in found] == [one.ended for one in expected.candidates]
    np.testing.assert_allclose(
        [one["logProb"] for one in found], [one.log_prob for one in expected.candidates], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("config", PAIRS.values(), ids=PAIRS)
def test_translations_are_the_librarys(opened: Open, config: ModelConfig) -> None:
    stored = random_pair_model(config)
    driver = opened(stored)
    for source in ("abcd", "dcbad", "a", "ab?c"):
        same_translations(driver, Translator.of(stored), source)


def test_so_they_are_with_features_and_symbols_of_several_characters(opened: Open) -> None:
    pairs = PairVocabulary("ab\U000f0000", "N\U000f0001", ("TH", "PST"), Separators(" ", "-", ";"))
    stored = random_pair_model(pair_config(source_size=6), pairs=pairs)
    driver = opened(stored)
    same_translations(driver, Translator.of(stored), "a TH b TH", "N;PST")
    same_translations(driver, Translator.of(stored), "TH XY a", "PST")
    driver.find_element("id", "source").send_keys("a TH b")
    driver.find_element("id", "features").send_keys("PST")
    driver.find_element("id", "translate").click()
    assert said(driver, "translating-status", "Found") == "Found 3 translations."
    first = driver.find_element("css selector", "#translations li span").text
    assert first == Translator.of(stored).translate("a TH b", features="PST")


HOSTILE = "<script>globalThis.hurt=1</script><img src=x onerror=hurt=1>--></title>\"'`&"


def hostile_model() -> ModelFile:
    characters = "".join(dict.fromkeys("\n" + HOSTILE + "\u202e\u2028\x00\x1b"))
    stored = random_model(ModelConfig(len(characters), hidden=6), characters=characters)
    return replace(stored, provenance={"corpus": {"name": HOSTILE, "chars": 7, "opening": HOSTILE}})


def test_a_hostile_model_is_text(opened: Open) -> None:
    driver = opened(hostile_model(), HOSTILE)
    driver.execute_script("document.getElementById('beginning').value = arguments[0]", HOSTILE)
    driver.find_element("id", "write").click()
    said(driver, "writing-status", "Wrote")
    driver.execute_script("document.getElementById('given').value = arguments[0]", HOSTILE)
    driver.find_element("css selector", "#scoring-form button").click()
    waited(lambda: "bits" in text_of(driver, "scoring-status"))
    assert driver.execute_script("return typeof hurt") == "undefined"
    assert driver.execute_script("return document.querySelectorAll('img, main script, title *').length") == 0
    assert text_of(driver, "name") == HOSTILE and HOSTILE in text_of(driver, "about")
    assert complaints(driver) == []


def test_the_policy_forbids_scripts_styles_and_connections(opened: Open) -> None:
    driver = opened(random_model(NETWORKS["tanh"]))
    driver.execute_script(
        "const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));"
        "add('style', {textContent: 'body { display: none }'});"
        "add('img', {src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='});"
        "document.body.setAttribute('style', 'display: none');"
    )
    refused = driver.execute_async_script(
        "const refused = [];"
        "const attempt = (name, what) => { try { what(); } catch { refused.push(name); } };"
        "setTimeout((done) => {"  # what the driver itself runs may call eval
        "  attempt('markup', () => { document.body.innerHTML = '<p>x</p>'; });"
        "  attempt('eval', () => eval('1'));"
        "  attempt('script', () => { document.createElement('script').text = 'hurt = 1'; });"
        "  done(refused);"
        "}, 0, arguments[0])"
    )
    assert refused == ["markup", "eval", "script"]
    fetched = driver.execute_async_script(
        "fetch('data:text/plain,x').then(() => 'loaded', () => 'refused').then(arguments[0])"
    )
    assert fetched == "refused" and driver.find_element("id", "writing").is_displayed()
    told = "\n".join(complaints(driver))
    for directive in ("style-src", "img-src", "Refused to connect"):
        assert directive in told


def test_every_control_has_a_name_and_the_keyboard_reaches_it(opened: Open) -> None:
    driver = opened(documents_model("abc"))
    tree = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if node.get("role", {}).get("value")
        in ("button", "textbox", "slider", "spinbutton", "checkbox", "region")
    ]
    assert len(controls) > 8 and all(name for _, name in controls), controls
    assert any(re.fullmatch(r"[abc] \d+\.\d %", name) for _, name in controls)  # a bar
    driver.execute_script("document.activeElement.blur()")
    reached = []
    for _ in range(30):
        driver.switch_to.active_element.send_keys("\ue004")  # tab
        reached.append(driver.execute_script("return document.activeElement.id"))
    wanted = ["beginning", "temperature", "length", "write", "twenty", "text", "coloured", "given"]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["language_model", "bidirectional", "encoder_decoder"])
def test_nothing_is_wider_than_the_screen(opened: Open, kind: str, width: int) -> None:
    stored = {
        "language_model": lambda: documents_model("abc"),
        "bidirectional": lambda: random_model(ModelConfig(V, hidden=4, kind="bidirectional")),
        "encoder_decoder": random_pair_model,
    }[kind]()
    driver = opened(stored, "a-name-without-any-place-to-break-it-" * 4)
    for dark in (False, True):
        resized(driver, width, dark=dark)
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        page_colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(json.loads(f"[{page_colour[4:-1]}]")) < 200) == dark
