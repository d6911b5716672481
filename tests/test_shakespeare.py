"""The model that ships, on the validation part of Tiny Shakespeare, which it was not trained on."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from charnn.bundled import bundled_model

CORPUS = Path(__file__).parents[2] / "shared/corpora/tinyshakespeare.txt"
needs_corpus = pytest.mark.skipif(not CORPUS.is_file(), reason=f"{CORPUS} is not here")
ENVIRONMENT = {**os.environ, "CHARNN_MODEL": str(bundled_model())}
LINES = 20
LEAD = 100  # characters


def validation_text() -> str:
    text = CORPUS.read_text()
    return text[int(0.9 * len(text)) :]


def scores(texts: list[str]) -> list[float]:
    command = [sys.executable, "-m", "charnn", "score", "--json", *texts]
    output = subprocess.check_output(command, env=ENVIRONMENT, text=True)
    return [(record := json.loads(line))["log_prob"] / record["chars"] for line in output.splitlines()]


def shuffled(things: list[str], seed: int) -> list[str]:
    mixed = list(things)
    random.Random(seed).shuffle(mixed)
    return mixed


@needs_corpus
def test_verse_is_likelier_than_its_words_shuffled_and_those_than_its_letters() -> None:
    verse = [line for line in validation_text().splitlines() if len(line) > 30 and line[-1] in ",.;:?!"]
    lines = random.Random(0).sample(verse, LINES)
    words = [" ".join(shuffled(line.split(), i)) for i, line in enumerate(lines)]
    letters = ["".join(shuffled(list(line), i)) for i, line in enumerate(lines)]
    found = scores(lines + words + letters)
    ordered = zip(found[:LINES], found[LINES : 2 * LINES], found[2 * LINES :], strict=True)
    assert sum(line > word > letter for line, word, letter in ordered) >= 18


@needs_corpus
def test_the_loss_is_what_the_file_says() -> None:
    """Scored by the NumPy engine in many short streams, each read from some way before it; the figure's are eight."""
    from charnn import load

    model = load(bundled_model())
    stated = model.provenance["training"]["val_nats_per_char"]
    text = validation_text()
    starts = range(0, len(text), len(text) // 64)
    streams = [text[max(start - LEAD, 0) : start + starts.step] for start in starts]
    scored = zip(starts, model.score_many(streams), strict=True)
    surprisals = np.concatenate([score.surprisal_bits[min(start, LEAD) :] for start, score in scored])
    assert len(surprisals) == len(text)
    assert surprisals.mean() * math.log(2) == pytest.approx(stated, abs=0.002)


def test_sampling_imports_no_torch() -> None:
    program = (
        "import sys, charnn; print(charnn.load(sys.argv[1]).sample(length=20, seed=1));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, bundled_model()], check=True, capture_output=True)
