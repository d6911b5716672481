"""The English base that ships: what it is, what it reads well, and which texts a run starts from it with."""

import lzma
from pathlib import Path

import pytest
from cli import ROOT
from torture import processes

import charnn
from charnn.bundled import bundled_model

CORPORA = ROOT.parent / "shared/corpora"
PROSE = (
    "The train was late, as it always was on a Friday, and the old man on the bench had fallen asleep with his hat "
    "over his eyes. A boy came down the platform with a basket of apples, and asked each of the travellers in turn "
    "whether they would care to buy one. Nobody did; but a lady in grey gave him a penny for his trouble, and he "
    "thanked her so gravely that she laughed.\n\n"
)


@pytest.fixture(scope="module")
def base() -> charnn.Model:
    return charnn.load(bundled_model("english"))


def test_it_fits_into_the_wheel():
    assert bundled_model("english").stat().st_size <= 24_000_000


def test_it_reads_prose_that_it_never_saw(base):
    assert base.score(PROSE).bits_per_char < 2.3


def test_its_loss_is_that_of_books_that_were_kept_from_it(base):
    if not (archive := CORPORA / "english.txt.xz").exists():
        pytest.skip(f"{archive} is absent")
    with lzma.open(archive, "rt", encoding="utf-8") as file:
        kept = file.read()[-1_000_000:]
    losses = [
        base.score(kept[at : at + 1_000], context=kept[at - 200 : at]) for at in range(500, 990_000, 99_000)
    ]
    nats = -sum(score.log_prob for score in losses) / sum(score.chars for score in losses)
    assert nats < 1.25
    assert base.provenance["training"]["val_nats_per_char"] <= 1.15


def planned(folder: Path, name: str, text: str, *options: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    done = processes.run(folder, "train", name, "--dry-run", *options)
    assert done.code == 0, done.stderr
    return done.stderr


def test_a_run_on_prose_starts_from_it_and_says_so(tmp_path):
    plan = planned(tmp_path, "prose.txt", PROSE * 5, "--minutes", "1")
    assert "starts from the English base" in plan and "1×512" in plan


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "french.txt",
            "Longtemps, je me suis couché de bonne heure, et mes yeux se fermaient si vite. " * 20,
        ),
        ("genes.txt", "GATTACACCTGAAGTCCATG" * 80),
        ("code.py", "for (i = 0; i < n; ++i) { sum[i] += x[i] * y[j]; }\n\n" * 30),
    ],
)
def test_other_texts_start_from_nothing(tmp_path, name, text):
    assert "English base" not in planned(tmp_path, name, text, "--minutes", "1")


def test_who_wants_nothing_gets_nothing(tmp_path):
    assert "English base" not in planned(tmp_path, "prose.txt", PROSE * 5, "--init-from", "none")
