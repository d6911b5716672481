"""`charnn info`: what it says, of every kind of model, and that it says it safely."""

import json
from dataclasses import asdict, replace

import pytest
from cli import in_process, in_terminal, piped
from helpers import ALPHABET, random_model, written
from pair_helpers import pair_config, random_pair_model
from test_app import imported_by
from training_helpers import metrics, run, write_corpus

from charnn import __version__
from charnn.bundled import bundled_model
from charnn.cli.info_view import network
from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary, Separators
from charnn.data.vocab import Vocabulary
from charnn.storage.model_documents import ModelDocuments

CONFIG = ModelConfig(vocab_size=len(ALPHABET), hidden=6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a short run."""
    home = tmp_path_factory.mktemp("info")
    run(write_corpus(home), home / "out", steps=40)
    return home / "out"


@pytest.fixture
def info(capsys):
    return lambda *arguments: in_process(capsys, "info", *map(str, arguments))[0]


def rows(output):
    """Name → what is said; the parts' rows are left out."""
    return {line[:12].strip(): line[12:] for line in output.splitlines() if not line.startswith(" ")}


def test_a_run_is_described(info, trained):
    said, lines = rows(info(trained)), metrics(trained)
    assert said["model"].startswith(str(trained / "model.safetensors"))
    assert said["network"].startswith("lstm, 1 layer of 8, ")
    assert said["vocabulary"].startswith(f"{lines[0]['vocab_size']} characters: ")
    assert said["corpus"].startswith("corpus-1.txt, 300 characters, SHA-256 ")
    assert " steps, " in said["trained"] and " epochs, " in said["trained"]
    assert said["made"].endswith(f"by charnn {__version__}")
    best = min(line["val_nats_per_char"] for line in lines if line["event"] == "eval")
    assert said["loss"].startswith(f"{best:.4f} nats, ")
    last = [line for line in lines if line["event"] == "eval"][-1]
    assert f"→ {last['val_bits_per_char']:.4f} bits a character" in said["validation"]
    assert all("▁" in said[curve] and "█" in said[curve] for curve in ("training", "validation"))


def test_the_parts_are_a_table_that_adds_up(info, trained):
    parts = [line.split() for line in info(trained).splitlines() if line.startswith("  ")]
    total = int(rows(info(trained))["parameters"].replace(",", ""))
    assert sum(int(part[-1].replace(",", "")) for part in parts) == total
    assert {part[0] for part in parts} >= {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "output.weight"}


def test_json_has_everything(info, trained):
    value = json.loads(info(trained, "--json"))
    assert list(value) == [
        "model",
        "bytes",
        "config",
        "parameters",
        "parts",
        "vocabulary",
        "provenance",
        "history",
    ]
    lines = metrics(trained)
    assert value["history"]["training"] == [
        [line["step"], line["nats_per_char"]] for line in lines if line["event"] == "train"
    ]
    assert value["provenance"]["training"]["config"]["model"] == value["config"]
    assert value["parameters"] == sum(part["parameters"] for part in value["parts"])


def test_a_lone_file_says_that_its_history_is_unknown(info, tmp_path):
    path = written(tmp_path, random_model(CONFIG))
    assert "no run's metrics.jsonl" in rows(info(path))["history"]
    assert json.loads(info(path, "--json"))["history"] is None


def test_without_validation_that_is_said(info, tmp_path):
    run(write_corpus(tmp_path), tmp_path / "out", steps=5, val_fraction=0.0)
    said = rows(info(tmp_path / "out"))
    assert (said["loss"], said["validation"]) == ("no validation", "never measured")


def test_without_a_model_it_is_the_usual_one(info, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARNN_MODEL", raising=False)
    assert rows(info())["model"].startswith(str(bundled_model()))
    (tmp_path / "checkpoints/new").mkdir(parents=True)
    written(tmp_path / "checkpoints/new", random_model(replace(CONFIG, kind="bidirectional")))
    assert rows(info())["model"].startswith("checkpoints/new/")
    monkeypatch.setenv("CHARNN_MODEL", str(written(tmp_path, random_model(CONFIG))))
    assert rows(info())["model"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "lstm, 1 layer of 6, one-hot input"),
        ({"cell": "rnn", "nonlinearity": "relu", "layers": 2}, "rnn (relu), 2 layers of 6, one-hot input"),
        ({"embedding": 4}, "lstm, 1 layer of 6, embedding of 4"),
        (
            {"embedding": 4, "ngrams": 3, "ngram_rows": 4096},
            "lstm, 1 layer of 6, embedding of 4, 2- to 3-grams in 4,096 rows each",
        ),
        (
            {"embedding": 4, "skip_connection": "input"},
            "lstm, 1 layer of 6, embedding of 4, skip connection from the input to the output layer",
        ),
        ({"cell": "gru", "kind": "bidirectional"}, "gru, 1 layer of 6 in each direction, one-hot input"),
    ],
)
def test_the_network_in_words(changes, said, info, tmp_path):
    config = replace(CONFIG, **changes)
    assert network(config) == said
    assert rows(info(written(tmp_path, random_model(config))))["network"] == said


def test_a_bidirectional_model_is_shown(info, tmp_path):
    shown = info(written(tmp_path, random_model(replace(CONFIG, kind="bidirectional"))))
    for name in ("forward_network.rnn.weight_ih_l0", "backward_network.output.weight", "output.weight"):
        assert f"  {name} " in shown


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"corpus": "random", "training": 3},
        {"corpus": {"name": None, "chars": "many", "sha256": []}, "training": {"val_nats_per_char": "low"}},
        {"created": 10**400, "charnn": {"a": 1}, "training": {"steps": 1e300}},
    ],
)
def test_provenance_may_be_missing_or_nonsense(provenance, info, tmp_path):
    path = written(tmp_path, replace(random_model(CONFIG), provenance=provenance))
    assert rows(info(path))["network"]
    assert json.loads(info(path, "--json"))["provenance"] == provenance


def test_control_characters_of_a_file_are_escaped(tmp_path):
    hostile = "\x1b[31m\nred\x00"
    stored = random_model(replace(CONFIG, vocab_size=4))
    stored = replace(
        stored,
        vocabulary=Vocabulary("\x1b\x00\na"),
        provenance={"corpus": {"name": hostile}, "charnn": hostile},
    )
    path = str(written(tmp_path, stored))
    for shown in (in_terminal("info", path)[0], piped("info", path).stdout):
        assert b"\x1b" not in shown and b"\x00" not in shown and rb"\x1b[31m\nred\x00" in shown
    assert "\x1b" not in piped("info", path, "--json").stdout.decode()
    assert json.loads(piped("info", path, "--json").stdout)["provenance"] == stored.provenance


def test_what_is_no_model_is_one_line_and_2(tmp_path):
    ended = piped("info", str(tmp_path / "missing"))
    assert ended.returncode == 2 and ended.stderr.count(b"\n") == 1 and ended.stdout == b""


def test_it_never_imports_torch(trained):
    assert "torch" not in imported_by("info", str(trained))
    assert not {"numpy", "torch"} & imported_by("info", "--help")


def test_the_configuration_in_json_is_the_models(info, tmp_path):
    value = json.loads(info(written(tmp_path, random_model(CONFIG)), "--json"))
    assert value["config"] == asdict(CONFIG)
    assert value["vocabulary"] == {"characters": ALPHABET, "has_unknown": False}


def test_a_model_of_documents_says_what_they_are(info, tmp_path):
    characters = ALPHABET[: CONFIG.vocab_size - 1]
    model = replace(
        random_model(CONFIG),
        vocabulary=Vocabulary(characters, has_end=True),
        documents=ModelDocuments("lines", "\n", 32_033),
    )
    path = written(tmp_path, model)
    assert rows(info(path))["documents"] == r"lines, 32,033 to train on, '\n' between them"
    value = json.loads(info(path, "--json"))
    assert value["documents"] == {"kind": "lines", "separator": "\n", "count": 32_033}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_model_of_pairs_says_what_it_reads(info, tmp_path, reverse):
    pairs = PairVocabulary("ab", "NV", (), Separators("", " ", ";"))
    said = {"training": {"config": {"data": {"reverse": reverse}}}}
    path = written(
        tmp_path, replace(random_pair_model(pair_config(source_size=5), pairs=pairs), provenance=said)
    )
    direction = "targets, writes sources (--reverse)" if reverse else "sources, writes targets"
    between = "' ' between symbols of targets, ';' between symbols of features"
    assert rows(info(path))["reads"] == f"{direction}, {between}"
    value = json.loads(info(path, "--json"))["pairs"]
    assert value["reverse"] is reverse and value["separators"]["target"] == " "
