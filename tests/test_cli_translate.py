"""`charnn translate`, `score --pairs`, `inspect attention` and `info`, as a user starts them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest
from cli import CHARNN, environment, in_process, in_terminal, piped, shell
from helpers import random_model
from helpers import written as written_model
from pair_helpers import pair_config, random_pair_model, write_reversals

import charnn
from charnn.cli.translate_view import TranslationOutput, show
from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary, Separators
from charnn.storage.model_file import write_model


@pytest.fixture
def model(tmp_path: Path) -> str:
    """One whose targets end soon."""
    stored = random_pair_model(seed=1)
    stored.weights["output.bias"][-1] = 3  # type: ignore[index]
    path = tmp_path / "pairs.safetensors"
    write_model(path, stored)
    return str(path)


def lines(result) -> list[str]:
    assert result.returncode == 0, result.stderr
    return result.stdout.decode().splitlines()


def test_the_best_target_of_each_a_line(model):
    expected = [str(charnn.load(model).translate(source)) for source in ("abcd", "ba")]
    assert lines(piped("translate", "abcd", "ba", "-m", model)) == expected
    assert lines(piped("translate", "-m", model, input=b"abcd\nba\n")) == expected
    assert lines(piped("translate", "abcd", "-", "-m", model, input=b"ba\n")) == expected


def test_lines_of_a_file_and_an_empty_one(model, tmp_path):
    path = tmp_path / "sources.txt"
    path.write_text("abcd\n\nba\n")
    expected = [str(charnn.load(model).translate(source)) for source in ("abcd", "", "ba")]
    assert lines(piped("translate", "-f", str(path), "-m", model)) == expected
    assert expected[1] == ""


def test_lines_are_answered_as_they_come(model):
    child = subprocess.Popen(
        [*CHARNN, "translate", "-m", model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert child.stdin and child.stdout
    loaded = charnn.load(model)
    for source in ("abcd", "ba"):
        child.stdin.write(f"{source}\n".encode())
        child.stdin.flush()
        assert child.stdout.readline().decode().rstrip("\n") == loaded.translate(source)
    child.stdin.close()
    child.stdout.close()
    assert child.wait(timeout=300) == 0


def test_json_has_everything(model):
    (line,) = lines(piped("translate", "abcd", "-m", model, "--json", "-n", "3"))
    value, found = json.loads(line), charnn.load(model).translate("abcd", count=3)
    assert (value["index"], value["source"], value["target"]) == (0, "abcd", str(found))
    assert value["log_prob"] == found.log_prob and value["ended"] is found.ended
    assert [one["target"] for one in value["candidates"]] == [one.target for one in found.candidates]


def test_several_targets_have_log_probabilities(model):
    written = lines(piped("translate", "abcd", "ba", "-m", model, "-n", "2"))
    assert written[2] == ""
    found = charnn.load(model).translate("ba", count=2).candidates
    assert written[3:] == [f"{one.log_prob:.4f}\t{one.target}" for one in found]


def test_options_change_what_is_written(model):
    def targets(*options: str) -> list[str]:
        return lines(piped("translate", *["abcd", "dcba", "bad", "cab"] * 5, "-m", model, *options))

    drawn = targets("--temp", "1.5", "--seed", "1")
    assert drawn == targets("--temp", "1.5", "--seed", "1")
    assert drawn != targets("--temp", "1.5", "--seed", "2")
    assert targets("--beam", "1") != drawn
    greedy = [charnn.load(model).translate(s, beam=1) for s in ["abcd", "dcba", "bad", "cab"]]
    assert targets("--beam", "1")[:4] == greedy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abz"], "U+007A ('z'), symbol 3 of source 1, is none that the model was trained on"),
        (["ab", "--features", "N"], "source 1 has features, but the model was trained without"),
        (["ab", "--seed", "1"], "--seed decides what is drawn at random; give --temp too"),
        (["ab", "--svg", "a.svg"], "--svg and --png draw an alignment; add --align"),
        (["ab", "--beam", "0"], "--beam 0: give a whole number from 1 to 1,000"),
        (["ab", "--temp", "nan"], "--temp nan: give a finite number from 0 up"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, message, model):
    result = piped("translate", *arguments, "-m", model)
    assert result.returncode == 2
    assert message in result.stderr.decode().splitlines()[-1]
    assert result.stdout == b""


def test_an_unknown_symbol_of_a_line_is_named(model):
    result = piped("translate", "-m", model, input=b"ab\nabq\n")
    assert result.returncode == 2
    assert "'q'), symbol 3 of standard input, line 2" in result.stderr.decode()
    assert len(lines(piped("translate", "-m", model, "--unknown", "skip", input=b"ab\nabq\n"))) == 2


def test_models_of_the_wrong_kind_are_refused(model, tmp_path):
    text = str(written_model(tmp_path, random_model(ModelConfig(20, hidden=4))))
    for command in (["translate", "ab"], ["score", "--pairs", model], ["inspect", "attention"]):
        rest = [text, "ab"] if command[0] == "inspect" else ["-m", text]
        result = piped(*command, *rest)
        assert result.returncode == 2
        assert b"is forward: it writes and scores text, see `charnn sample`" in result.stderr
    for command in (["sample"], ["score", "ab"], ["fill", "a_"]):
        result = piped(*command, "-m", model)
        assert result.returncode == 2, command
        assert b"is encoder-decoder: it writes a text from another, see `charnn translate`" in result.stderr


def test_no_model_of_pairs_is_said(tmp_path):
    result = piped("translate", "ab", cwd=tmp_path)
    assert result.returncode == 2
    assert b"no model of pairs under ./checkpoints; run `charnn train --pairs FILE`" in result.stderr


def test_features_stand_after_a_tab_or_are_given_for_all(tmp_path):
    pairs = PairVocabulary("ab", "NV", (), Separators())
    path = tmp_path / "m.safetensors"
    write_model(path, random_pair_model(pair_config(source_size=5), pairs=pairs))
    loaded = charnn.load(path)
    expected = [str(loaded.translate("ab", features=one)) for one in "NV"]
    assert lines(piped("translate", "-m", str(path), input=b"ab\tN\nab\tV\n")) == expected
    assert lines(piped("translate", "ab", "--features", "V", "-m", str(path))) == expected[1:]
    result = piped("translate", "ab", "-m", str(path))
    assert result.returncode == 2 and b"source 1 has no features" in result.stderr


def test_scores_of_pairs(model, tmp_path, capsys):
    loaded = charnn.load(model)
    sources = ["abcd", "ba", "d", "cc"]
    found = [str(loaded.translate(source)) for source in sources]
    path = tmp_path / "known.tsv"
    rows = [
        (sources[0], found[0]),
        (sources[1], found[1] + "y"),
        (sources[1], found[1]),
        (sources[2], found[2] + "x"),
    ]
    path.write_text("".join(f"{s}\t{t}\n" for s, t in rows if t))
    written, _ = in_process(capsys, "score", "--pairs", str(path), "-m", model, "--json")
    value = json.loads(written)
    kept = [(s, t) for s, t in rows if t]
    nats = loaded.log_probs([(s, t, "") for s, t in kept])
    assert value["pairs"] == len(kept)
    assert value["nats_per_symbol"] == pytest.approx(
        -sum(p for p, _ in nats) / sum(len(t) + 1 for _, t in kept)
    )
    assert value["wer"] == pytest.approx(1 - value["accuracy"])
    right = {s for s, t in kept if t == found[sources.index(s)]}
    assert value["accuracy"] == pytest.approx(len(right) / len({s for s, _ in kept}))
    assert value["symbol_error_rate"] > 0
    table, _ = in_process(capsys, "score", "--pairs", str(path), "-m", model)
    assert f"accuracy            {value['accuracy']:.2%}" in table
    more = ["--json", "--reverse", "--unknown", "skip"]
    turned, _ = in_process(capsys, "score", "--pairs", str(path), "-m", model, *more)
    assert json.loads(turned)["nats_per_symbol"] != value["nats_per_symbol"]


def test_scores_of_pairs_take_no_other_options(model, tmp_path):
    path = str(write_reversals(tmp_path / "a.tsv"))
    for option in (["text"], ["--rank"], ["--top", "3"]):
        result = piped("score", "--pairs", path, "-m", model, *option)
        assert result.returncode == 2 and b"--pairs scores pairs as a whole" in result.stderr
    result = piped("score", "text", "--beam", "3")
    assert result.returncode == 2 and b"--beam is for pairs of texts; add --pairs FILE" in result.stderr


def test_an_alignment_is_a_heat_map(model):
    target = charnn.load(model).translate("abcd")
    rows = lines(piped("inspect", "attention", model, "abcd"))
    assert rows[0].split() == [*"abcd"]
    assert [row[0] for row in rows[1:]] == [*target, "⏎"]
    assert lines(piped("translate", "abcd", "--align", "-m", model)) == rows
    (line,) = lines(piped("inspect", "attention", model, "abcd", "--target", "xy", "--json"))
    value = json.loads(line)
    assert (value["source_symbols"], value["target_symbols"]) == ([*"abcd"], ["x", "y"])
    assert [sum(row) for row in value["attention"]] == pytest.approx([1, 1, 1], abs=1e-4)
    coloured, code = in_terminal("inspect", "attention", model, "abcd")
    assert code == 0 and b"\x1b[48;5;2" in coloured


def test_an_alignment_is_a_picture(model, tmp_path):
    pytest.importorskip("matplotlib")
    piped("translate", "abcd", "--align", "-m", model, "--svg", str(tmp_path / "a.svg"), check=True)
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    drawn = piped("inspect", "attention", model, "abcd", "--png", "-")
    assert drawn.stdout.startswith(b"\x89PNG")


def test_without_attention_there_is_nothing_to_show(tmp_path):
    path = tmp_path / "m.safetensors"
    config = pair_config(attention="none", copy_gate="off", encoder_hidden=0)
    write_model(path, random_pair_model(config))
    for arguments in (
        ["translate", "ab", "--align", "-m", str(path)],
        ["inspect", "attention", str(path), "ab"],
    ):
        result = piped(*arguments)
        assert result.returncode == 2 and b"--attention none: it looks nowhere" in result.stderr


def test_info_describes_a_model_of_pairs(model):
    rows = lines(piped("info", model))
    assert any(
        "encoder of 5 in each direction → attention, copying → lstm, 1 layer of 6" in row for row in rows
    )
    assert any("4 symbols of sources, 5 of targets: a b c x y" in row for row in rows)
    value = json.loads(piped("info", model, "--json").stdout)
    assert value["pairs"]["source"] == [*"abcd"] and value["pairs"]["target"] == [*"abcxy"]


def test_an_ensemble_of_several_models(model, tmp_path):
    other = tmp_path / "other.safetensors"
    write_model(other, random_pair_model(seed=5))
    together = charnn.load(model).joined([charnn.load(other)])
    assert lines(piped("translate", "abcd", "-m", model, "-m", str(other))) == [
        str(together.translate("abcd"))
    ]


def test_no_torch_is_imported(model, tmp_path):
    path = str(write_reversals(tmp_path / "a.tsv", alphabet="abcd"))
    for arguments in (["translate", "abcd", "-m", model], ["score", "--pairs", path, "-m", model]):
        program = (
            f"import sys; sys.argv = ['charnn', *{arguments!r}]\n"
            "from charnn.cli.app import app\n"
            "app(sys.argv[1:], standalone_mode=False)\n"
            "sys.exit('torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program], check=True, env=environment(), capture_output=True)


def test_sources_are_typed_at_a_prompt(model):
    child = pexpect.spawn(
        sys.executable, ["-m", "charnn", "translate", "-i", "-m", model], env=environment(), timeout=300
    )
    child.expect(">")
    child.sendline("abcd")
    child.expect_exact(str(charnn.load(model).translate("abcd")))
    child.sendline("q")
    child.expect("'q'.*, symbol 1 of the source, is none that")
    child.expect(">")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_draws_depend_on_the_seed_and_not_on_when_lines_come(model, tmp_path):
    """The same source again is another draw, in whatever pieces the lines arrive."""
    path, drawing = tmp_path / "sources.txt", ("--temp", "2", "--seed", "3", "-m", model)
    path.write_text("abcd\n" * 6)
    at_once = lines(piped("translate", "-f", str(path), *drawing))
    assert len(set(at_once)) > 2
    assert lines(piped("translate", *["abcd"] * 6, *drawing)) == at_once
    script = f"for i in 1 2 3 4 5 6; do echo abcd; sleep 0.05; done | $CHARNN translate {' '.join(drawing)}"
    assert lines(shell(script)) == at_once


def test_an_empty_source_is_looked_at_nowhere(model, tmp_path):
    written = lines(piped("translate", "-m", model, "--align", "--json", input=b"ab\n\nba\n"))
    assert [json.loads(line)["source"] for line in written] == ["ab", "", "ba"]
    assert json.loads(written[1])["attention"] == [[]]
    for arguments in (
        ["inspect", "attention", model, ""],
        ["translate", "-m", model, "--align", "--unknown", "skip", "zz"],
    ):
        assert "\n".join(lines(piped(*arguments))).strip() == "⏎"
    pytest.importorskip("matplotlib")
    drawn = piped("inspect", "attention", model, "", "--png", str(tmp_path / "a.png"))
    assert drawn.returncode == 2 and b"the source has no symbols" in drawn.stderr


def reversed_model(path: Path, said: object = True, seed: int = 1) -> str:
    """A model that says that its sources were the targets of its files."""
    provenance = {"training": {"config": {"data": {"reverse": said}}}}
    write_model(path, replace(random_pair_model(seed=seed), provenance=provenance))
    return str(path)


def test_scores_of_a_reversed_model_read_pairs_as_its_training_did(tmp_path):
    turned, other = reversed_model(tmp_path / "a.safetensors"), reversed_model(tmp_path / "b.safetensors", 1)
    files = [tmp_path / "plain.tsv", tmp_path / "swapped.tsv"]
    files[0].write_text("xy\tabcd\ny\tba\n")
    files[1].write_text("abcd\txy\nba\ty\n")
    expected = lines(piped("score", "--pairs", str(files[1]), "-m", other, "--json"))
    found = piped("score", "--pairs", str(files[0]), "-m", turned, "--json")
    assert lines(found) == expected
    assert b"trained with --reverse: pairs are read from target to source" in found.stderr
    assert lines(piped("score", "--pairs", str(files[0]), "-m", turned, "--reverse", "--json")) == expected
    assert lines(piped("translate", "abcd", "-m", turned)) == lines(piped("translate", "abcd", "-m", other))
    mixed = piped("translate", "abcd", "-m", turned, "-m", other)
    assert mixed.returncode == 2 and b"was trained with --reverse and the other without" in mixed.stderr


def test_features_are_typed_after_a_tab(tmp_path):
    path = tmp_path / "m.safetensors"
    write_model(
        path,
        random_pair_model(pair_config(source_size=5), pairs=PairVocabulary("ab", "NV", (), Separators())),
    )
    child = pexpect.spawn(
        sys.executable, ["-m", "charnn", "translate", "-i", "-m", str(path)], env=environment(), timeout=300
    )
    child.expect(">")
    child.send("ab\tV\r")
    child.expect_exact(str(charnn.load(path).translate("ab", features="V")))
    child.expect(">")
    child.sendeof()
    child.expect(pexpect.EOF)
    piped_in = piped("translate", "-i", "-m", str(path), input=b"ab\tV\n")
    assert piped_in.returncode == 2 and b"--interactive needs a terminal" in piped_in.stderr


def test_attention_on_an_unknown_symbol_is_shown_on_request(model):
    refused = piped("inspect", "attention", model, "abz")
    assert refused.returncode == 2 and b"give --unknown skip or replace" in refused.stderr
    (line,) = lines(piped("inspect", "attention", model, "abz", "--unknown", "replace", "--json"))
    assert json.loads(line)["source_symbols"] == [*"abz"]


def test_targets_behind_their_log_probabilities_are_fields(capsys):
    candidates = [SimpleNamespace(log_prob=-1.0, target="a\tb\\n\n\u2028\x85")]
    show(0, SimpleNamespace(candidates=candidates), TranslationOutput(False, None, None, count=2))
    assert capsys.readouterr().out == "-1.0000\ta\\tb\\\\n\\n\\u2028\\x85\n"
