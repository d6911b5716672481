"""Models of documents: sampling, scoring, filling and the model file."""

import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from charnn.analysis.memory import memory_curve
from charnn.config import ModelConfig
from charnn.data.document_hash import document_hash
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.inference.infill import Filler
from charnn.inference.model import Model, encoded_corpus, load
from charnn.model.kinds import weight_shapes
from charnn.storage.model_documents import ModelDocuments, stored_hashes
from charnn.storage.model_file import ModelFile, read_model, write_model
from tests.cli import in_terminal, piped
from tests.training_helpers import run

KNOWN = ["ab", "ba", "a", "b"]


def stored(
    characters: str = "ab", end_bias: float = 0.0, known: list[str] = KNOWN, kind: str = "lines"
) -> ModelFile:
    config = ModelConfig(vocab_size=len(characters) + 1, hidden=6, embedding=4, ngrams=2, ngram_rows=16)
    numbers = np.random.default_rng(3)
    shapes = weight_shapes(config)
    weights = {name: numbers.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights["output.bias"][-1] += end_bias
    hashes = stored_hashes(np.array([document_hash(text) for text in known], dtype=np.uint64))
    documents = ModelDocuments(kind, "\n" if kind == "lines" else "\n\n", len(known), hashes)
    return ModelFile(config, Vocabulary(characters, has_end=True), weights, {}, documents)


def test_the_probability_of_all_documents_adds_up() -> None:
    model = Model.of(stored(end_bias=2.0))
    longest = 12
    texts = ["".join(letters) for n in range(longest) for letters in product("ab", repeat=n)]
    total = math.fsum(math.exp(score.log_prob) for score in model.score_many(texts))
    left = math.fsum(
        math.exp(score.log_prob)
        for score in model.score_many(
            ["".join(letters) for letters in product("ab", repeat=longest)], end=False
        )
    )
    assert total + left == pytest.approx(1, abs=1e-4)
    assert left < 0.1


def test_a_score_counts_the_end_unless_told_otherwise() -> None:
    model = Model.of(stored())
    whole, begun = model.score("abba"), model.score("abba", end=False)
    assert whole.end_log_prob == pytest.approx(whole.log_prob - begun.log_prob, abs=1e-5)
    assert begun.end_log_prob is None and whole.chars == begun.chars == 4
    assert whole.bits_per_char == pytest.approx(-whole.log_prob / math.log(2) / 5)
    empty = model.score("")
    assert empty.chars == 0 and empty.log_prob == empty.end_log_prob and empty.bits_per_char is None
    assert math.fsum(part.log_prob for part in model.score_whole(["ab", "ba"])) == pytest.approx(
        whole.log_prob, abs=1e-5
    )
    assert next(model.score_many(["abba"])).log_prob == pytest.approx(whole.log_prob, abs=1e-5)


def test_a_sample_is_a_whole_document_and_scores_as_it_says() -> None:
    model = Model.of(stored())
    samples = list(model.sample_many(100, seed=1, length=2))
    assert {sample.reason for sample in samples} == {"end", "length"}
    for sample in samples:
        score = model.score(sample.text, end=sample.reason == "end")
        assert sample.log_prob == pytest.approx(score.log_prob, abs=1e-4)
        assert (sample.end_log_prob is None) == (sample.reason == "length")
    assert "".join(model.stream(seed=1, length=2)) == samples[0].text == model.sample(seed=1, length=2)


def test_a_document_without_a_length_ends_by_itself() -> None:
    assert Model.of(stored(end_bias=3.0)).sample(seed=1, length=-1) is not None


def test_what_may_begin_a_stop_string_is_written_when_the_document_ends() -> None:
    model = Model.of(stored())
    plain = [sample.text for sample in model.sample_many(20, seed=1)]
    stopped = [sample.text for sample in model.sample_many(20, seed=1, stop="bbbbbbbb")]
    assert stopped == [text.partition("bbbbbbbb")[0] for text in plain]


def test_new_documents_are_no_training_documents() -> None:
    model = Model.of(stored(end_bias=1.0))
    samples = list(model.sample_many(40, seed=1, new=True))
    assert not {sample.text for sample in samples} & set(KNOWN)
    assert [sample.index for sample in samples] == list(range(40))
    plain = [sample.text for sample in model.sample_many(300, seed=1) if sample.text not in KNOWN]
    assert [sample.text for sample in samples] == plain[:40]
    assert sum(sample.passed_over for sample in samples) > 0
    continued = [sample.text for sample in model.sample_many(20, "a", seed=1, new=True)]
    assert not set(continued) & {"", "b"}


def test_new_is_refused_where_it_can_not_be() -> None:
    with pytest.raises(CharnnError, match="try a higher --temp"):
        list(
            Model.of(stored(known=["", *KNOWN], end_bias=20.0)).sample_many(
                1, seed=1, temperature=0.0, new=True
            )
        )
    plain = ModelFile(ModelConfig(vocab_size=2, hidden=4), Vocabulary("ab"), {}, {})
    shapes = weight_shapes(plain.config)
    model = Model.of(
        ModelFile(plain.config, plain.vocabulary, {n: np.zeros(s, np.float32) for n, s in shapes.items()}, {})
    )
    with pytest.raises(InputError, match="--new is for models of documents"):
        model.sample_many(1, new=True)


def test_the_next_character_and_the_end_add_up() -> None:
    found = Model.of(stored()).next("ab")
    assert found.characters == "ab" and found.probabilities.sum() + found.end == pytest.approx(1)
    assert len(found.top(5)) == 2


def test_gaps_are_filled_inside_a_document() -> None:
    for filled in Filler.of(stored()).fill("a_b", count=2):
        assert len(filled.text) == 3 and set(filled.text) <= set("ab")


def test_a_model_file_keeps_its_documents(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", stored())
    model = load(tmp_path / "m.safetensors")
    assert model.documents is not None and model.vocabulary.has_end
    assert (model.documents.kind, model.documents.separator, model.documents.count) == ("lines", "\n", 4)
    assert all(model.documents.contains(text) for text in KNOWN)
    assert not any(model.documents.contains(f"{text}x") for text in KNOWN)
    assert read_model(tmp_path / "m.safetensors").documents == stored().documents


def test_a_model_file_with_an_end_and_no_documents_is_refused(tmp_path: Path) -> None:
    whole = stored()
    write_model(tmp_path / "m.safetensors", ModelFile(whole.config, whole.vocabulary, whole.weights, {}))
    with pytest.raises(ModelFileError, match="documents"):
        read_model(tmp_path / "m.safetensors")


def test_twenty_samples_of_lines_are_twenty_lines(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", stored(end_bias=1.0))
    model = ("-m", str(tmp_path / "m.safetensors"), "--seed", "1")
    plain = piped("sample", *model, "-n", "20").stdout.decode()
    assert plain.count("\n") == 20
    assert piped("sample", *model, "--lines", "20").stdout.decode() == plain
    prompted = piped("sample", *model, "-n", "3", "-p", "ab").stdout.decode()
    assert all(line.startswith("ab") for line in prompted.splitlines())
    result = piped("sample", *model, "-n", "5", "--new", "--json")
    values = [json.loads(line) for line in result.stdout.splitlines()]
    assert [value["stopped"] for value in values] == ["end"] * 5
    assert b"passed over" in result.stderr
    write_model(tmp_path / "m.safetensors", stored(end_bias=1.0, kind="paragraphs"))
    assert piped("sample", *model, "-n", "4").stdout.decode() == "\n\n".join(plain.splitlines()[:4])


def test_score_has_the_end_in_its_json(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", stored())
    values = [
        json.loads(piped("score", "-m", str(tmp_path / "m.safetensors"), "ab", "--json", *extra).stdout)
        for extra in ((), ("--no-end",))
    ]
    assert "end_log_prob" not in values[1]
    assert values[0]["log_prob"] == pytest.approx(values[1]["log_prob"] + values[0]["end_log_prob"], abs=1e-5)


def test_a_sample_of_a_text_without_newlines_begins_as_that_text_does(tmp_path: Path) -> None:
    config = ModelConfig(vocab_size=2, hidden=6)
    numbers = np.random.default_rng(1)
    weights = {n: numbers.standard_normal(s).astype(np.float32) for n, s in weight_shapes(config).items()}
    opened = Model.of(ModelFile(config, Vocabulary("ab"), weights, {"corpus": {"opening": "abbab?"}}))
    plain = Model.of(ModelFile(config, Vocabulary("ab"), weights, {"corpus": "x"}))
    assert opened.sample(seed=1, length=30) == plain.sample("abbab", seed=1, length=30)
    assert opened.sample("b", seed=1, length=30) == plain.sample("b", seed=1, length=30)
    with_newline = ModelConfig(vocab_size=3, hidden=6)
    weights = {
        n: numbers.standard_normal(s).astype(np.float32) for n, s in weight_shapes(with_newline).items()
    }
    opened = Model.of(ModelFile(with_newline, Vocabulary("\nab"), weights, {"corpus": {"opening": "abbab"}}))
    plain = Model.of(ModelFile(with_newline, Vocabulary("\nab"), weights, {}))
    assert opened.sample(seed=1, length=30) == plain.sample("abbab", seed=1, length=30)


@pytest.mark.parametrize("newline", ["", "\n"])
def test_one_long_line_is_gone_on_from_as_it_begins(tmp_path: Path, newline: str) -> None:
    """Its only newline, at its end, is where nothing trains: what comes after one was never learnt."""
    text = "a long line of a text that has no other " * 100
    (tmp_path / "one.txt").write_text(text + newline)
    run(str(tmp_path / "one.txt"), tmp_path / "one", steps=1)
    assert load(tmp_path / "one").provenance["corpus"]["opening"] == text[:64]
    (tmp_path / "lines.txt").write_text(f"{text}\n" * 3)
    run(str(tmp_path / "lines.txt"), tmp_path / "lines", steps=1)
    assert "opening" not in load(tmp_path / "lines").provenance["corpus"]


def test_a_corpus_is_inspected_with_its_ends() -> None:
    model = Model.of(stored())
    encoded = encoded_corpus(model, "ab\na?\n")
    assert encoded.ids.tolist() == [2, 0, 1, 2, 0, encoded.ids[5], 2]
    assert encoded.unknown == 1
    assert len(memory_curve(model, "ab\nba\n" * 10, longest=4, places=5).bits_per_char) == 3


def test_a_strangers_separator_is_harmless_on_a_terminal(tmp_path: Path) -> None:
    model = replace(stored(end_bias=1.0), documents=ModelDocuments("|", "\x1b[2J", 4))
    write_model(tmp_path / "m.safetensors", model)
    arguments = ("sample", "-m", str(tmp_path / "m.safetensors"), "-n", "2", "--seed", "1")
    written, code = in_terminal(*arguments)
    assert code == 0 and b"\x1b[2J" not in written and b"\\x1b[2J" in written
    assert b"\x1b[2J" in piped(*arguments).stdout


@pytest.mark.parametrize("shape", [[], [2, 2], [1, 4]])
def test_hashes_of_another_shape_are_refused(tmp_path: Path, shape: list[int]) -> None:
    path = tmp_path / "m.safetensors"
    write_model(path, stored(known=KNOWN if shape else KNOWN[:1]))
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["documents.hashes"]["shape"] = shape
    changed = json.dumps(header).encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
    with pytest.raises(ModelFileError, match=r"documents\.hashes"):
        read_model(path)


def test_a_whole_file_has_the_end_in_its_json_too(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", stored())
    (tmp_path / "a.txt").write_text("abba")
    arguments = ("score", "-m", str(tmp_path / "m.safetensors"), "--json")
    [text] = map(json.loads, piped(*arguments, "abba").stdout.splitlines())
    [whole] = map(json.loads, piped(*arguments, "--whole", "-f", str(tmp_path / "a.txt")).stdout.splitlines())
    assert whole["end_log_prob"] == pytest.approx(text["end_log_prob"], abs=1e-5)
    assert whole["log_prob"] == pytest.approx(text["log_prob"], abs=1e-5)
    arguments += ("--whole", "-f", str(tmp_path / "a.txt"), "--no-end")
    assert "end_log_prob" not in json.loads(piped(*arguments).stdout)


def test_new_knows_a_document_in_another_normal_form() -> None:
    """The list has it composed, and the prompt doesn't."""
    model = Model.of(stored("é", end_bias=2.0, known=["é", "éé"]))
    drawn = [sample.text for sample in model.sample_many(60, "e\u0301", seed=1, new=True)]
    assert not {"", "é"} & set(drawn)
