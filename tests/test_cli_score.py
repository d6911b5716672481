"""`charnn score`: what each option changes, and nothing else."""

import json
import math
import re
import subprocess
from pathlib import Path

import pytest
from cli import CHARNN, environment, in_process, in_terminal, piped
from helpers import ALPHABET, random_model, written

import charnn
from charnn.config import ModelConfig
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.scorer import DEFAULT_LIMITS

CONFIG = ModelConfig(vocab_size=len(ALPHABET), hidden=16)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TEXTS = ["To be", "not to be", "zzz", ""]
FIELDS = ["chars", "log_prob", "bits_per_char", "perplexity", "unknown"]
FIRST_FIELDS = [*FIELDS, "bits_per_byte", "perplexity_per_word"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score")
    for name in "ab":
        (folder / name).mkdir()
    return [str(written(folder / name, random_model(CONFIG, seed=seed))) for seed, name in enumerate("ab")]


@pytest.fixture(scope="module")
def model(paths):
    return charnn.load(paths[0])


@pytest.fixture
def score(paths, capsys):
    """Run `charnn score`; gives stdout."""
    return lambda *more: in_process(capsys, "score", "-m", paths[0], *more)[0]


@pytest.fixture
def notes(paths, capsys):
    """As `score`, but gives stderr."""
    return lambda *more: in_process(capsys, "score", "-m", paths[0], *more)[1]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return str(path)


def json_lines(output):
    return [json.loads(line) for line in output.splitlines()]


def rows(output):
    return [line.split("\t") for line in output.splitlines()]


def test_json_has_the_contracts_fields_in_input_order(score, model):
    lines = json_lines(score(*TEXTS, "--json"))
    assert [list(line) for line in lines] == [["index", "text", *FIRST_FIELDS]] * len(TEXTS)
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    for text, line in zip(TEXTS, lines, strict=True):
        expected = model.score(text)
        assert (line["text"], line["chars"], line["unknown"]) == (text, len(text), 0)
        assert line["log_prob"] == pytest.approx(expected.log_prob, abs=1e-4)
        if text:
            assert line["log_prob"] < 0
            assert line["bits_per_char"] == pytest.approx(expected.bits_per_char, abs=1e-4)
            assert line["perplexity"] == pytest.approx(2 ** line["bits_per_char"])
    assert (lines[-1]["log_prob"], lines[-1]["bits_per_char"], lines[-1]["perplexity"]) == (0, None, None)


def test_a_pipe_gets_tab_separated_rows(score):
    lines, cells = json_lines(score(*TEXTS, "--json")), rows(score(*TEXTS))
    for line, (bits, log_prob, perplexity, chars, unknown, text) in zip(lines, cells, strict=True):
        assert (text, int(chars), int(unknown)) == (line["text"], line["chars"], line["unknown"])
        assert float(log_prob) == pytest.approx(line["log_prob"], abs=1e-4)
        assert bits == ("-" if not text else f"{line['bits_per_char']:.4f}")
        assert (perplexity == "-") == (not text)


def test_a_text_with_newlines_is_one_row(score):
    assert score("To be,\nor not").splitlines()[0].endswith("\tTo be,\\nor not")


def test_a_file_is_one_text_a_line(score, file, paths):
    assert score("-f", file, "--json") == score(*TEXTS, "--json")
    for more in ([], ["-"], ["--file", "-"]):
        with Path(file).open("rb") as stdin:
            assert piped("score", "-m", paths[0], *more, "--json", stdin=stdin).stdout.decode() == score(
                *TEXTS, "--json"
            )


def test_line_ends_are_not_scored(score, tmp_path):
    path = tmp_path / "crlf.txt"
    path.write_bytes(b"\xef\xbb\xbfTo be\r\n\nlast")
    assert [line["text"] for line in json_lines(score("-f", str(path), "--json"))] == ["To be", "", "last"]


def test_files_and_texts_go_together(score, file):
    found = [line["text"] for line in json_lines(score("first", "-f", file, "-f", file, "--json"))]
    assert found == ["first", *TEXTS, *TEXTS]


def test_whole_makes_a_file_one_text(score, file, model):
    text = "".join(f"{text}\n" for text in TEXTS)
    [line] = json_lines(score("--whole", "-f", file, "--json"))
    assert list(line) == ["index", "file", *FIRST_FIELDS]
    assert (line["file"], line["chars"]) == (file, len(text))
    assert line["log_prob"] == pytest.approx(model.score(text).log_prob, abs=1e-4)


def test_whole_shows_the_characters_a_stretch_at_a_time(score, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("To be, or not to be\n" * 1700)
    stretches = json_lines(score("--whole", "-f", str(path), "--json", "--chars"))
    bits = [bits for stretch in stretches for bits in stretch["surprisal_bits"]]
    [whole] = json_lines(score("--whole", "-f", str(path), "--json"))
    assert len(stretches) > 1 and len(bits) == 34_000
    assert max(stretch["chars"] for stretch in stretches) <= DEFAULT_LIMITS.stretch
    assert all(list(stretch) == ["index", "file", *FIRST_FIELDS, "surprisal_bits"] for stretch in stretches)
    assert math.fsum(bits) == pytest.approx(-whole["log_prob"] / math.log(2), rel=1e-6)


def test_context_is_read_but_not_scored(score, model):
    [line] = json_lines(score("be", "--context", "To ", "--json"))
    assert line["chars"] == 2
    assert line["log_prob"] == pytest.approx(model.score("be", context="To ").log_prob, abs=1e-4)
    assert line["log_prob"] != json_lines(score("be", "--json"))[0]["log_prob"]


def test_a_strange_character_is_named_with_its_place(score):
    with pytest.raises(UnknownCharacterError, match=r"U\+65E5.*character 3"):
        score("ab日")
    with pytest.raises(UnknownCharacterError, match=r"U\+65E5.*context"):
        score("ab", "--context", "日")


@pytest.mark.parametrize(("policy", "chars"), [("skip", 2), ("replace", 3)])
def test_strange_characters_can_be_skipped_or_replaced(score, policy, chars):
    [line] = json_lines(score("a日b", "--unknown", policy, "--json", "--chars"))
    assert (line["chars"], line["unknown"], line["text"]) == (chars, 1, "a日b")
    assert len(line["surprisal_bits"]) == chars
    assert json_lines(score("ab", "--unknown", policy, "--json", "--chars"))[0]["unknown"] == 0


def test_an_unknown_policy_is_bad_usage(paths):
    assert piped("score", "-m", paths[0], "a", "--unknown", "guess").returncode == 2


def test_rank_puts_the_likeliest_first_and_empty_texts_last(score):
    lines = json_lines(score(*TEXTS, "--rank", "--json"))
    bits = [line["bits_per_char"] for line in lines]
    assert bits[-1] is None and bits[:-1] == sorted(bits[:-1])
    assert sorted(line["text"] for line in lines) == sorted(TEXTS)
    assert [row[-1] for row in rows(score(*TEXTS, "--rank"))] == [line["text"] for line in lines]


def test_two_models_stand_side_by_side_with_their_ratio(score, paths):
    [line] = json_lines(score("To be", "-m", paths[1], "--json"))
    [first], [second] = (json_lines(piped("score", "-m", p, "To be", "--json").stdout) for p in paths)
    assert [entry["model"] for entry in line["models"]] == paths
    assert line["models"][1] == {"model": paths[1], **{field: second[field] for field in FIELDS}}
    assert line["log_prob"] == first["log_prob"]
    assert line["log_likelihood_ratio"] == pytest.approx(first["log_prob"] - second["log_prob"])
    [[*_, ratio, chars, unknown, text]] = rows(score("To be", "-m", paths[1]))
    assert float(ratio) == pytest.approx(line["log_likelihood_ratio"], abs=1e-4)
    assert (chars, unknown, text) == ("5", "0", "To be")


def test_two_models_score_a_whole_file_read_once(paths):
    ended = piped("score", "-m", paths[0], "-m", paths[1], "--whole", "--json", "-", input=b"To be\nor not")
    [line] = json_lines(ended.stdout)
    assert line["file"] == "-" and [entry["chars"] for entry in line["models"]] == [12, 12]


def test_chars_list_surprisal_in_a_pipe(score, model):
    [_, *listing] = score("To\tbe", "--unknown", "skip", "--chars").splitlines()
    bits = model.score("Tobe").surprisal_bits
    assert listing == [*(f"{c}\t{b:.4f}" for c, b in zip("Tobe", bits, strict=True)), ""]


def test_chars_are_a_heat_map_on_a_terminal(paths):
    plain, _ = in_terminal("score", "-m", paths[0], "To be")
    shown, code = in_terminal("score", "-m", paths[0], "To be", "--chars")
    assert code == 0 and COLOUR.search(shown.decode())
    assert COLOUR.sub("", shown.decode()) == plain.decode()


def test_a_whole_files_heat_map_is_its_text(paths, file):
    shown, _ = in_terminal("score", "-m", paths[0], "--whole", "-f", file, "--chars")
    assert "To be\nnot to be\nzzz\n" in COLOUR.sub("", shown.decode())


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_a_terminal_gets_the_list(paths, settings):
    shown, _ = in_terminal("score", "-m", paths[0], "To be", "--chars", **settings)
    assert b"\x1b" not in shown and len(shown.splitlines()) == 1 + 1 + 5 + 1


def test_a_terminal_gets_a_heading_and_no_markup_is_read(paths):
    text = "a:b"
    shown, _ = in_terminal("score", "-m", paths[0], text, "ab:smile:")
    lines = shown.decode().splitlines()
    assert lines[0].split() == ["bits/char", "log", "prob", "perplexity", "chars", "unknown", "text"]
    assert lines[1].endswith(f"  {text}") and lines[2].endswith("  ab:smile:")


def test_top_lists_the_likeliest_characters_of_each_place(score, model):
    [_, first, *_] = score("To be", "--top", "2").splitlines()
    (one, p), (other, q) = model.next().top(2)
    assert (
        first
        == f"T\t{model.score('T').bits_per_char:.4f}\t{escaped(one)}\t{p:.4f}\t{escaped(other)}\t{q:.4f}"
    )
    [line] = json_lines(score("To be", "--top", "2", "--json"))
    assert line["likeliest"][1] == [list(place) for place in model.next("T").top(2)]
    assert len(line["likeliest"]) == 5


def escaped(character):
    return character.encode("unicode_escape").decode()


def test_totals_of_a_file_are_said(notes, file, model):
    said = notes("-f", file).splitlines()[-1]
    scores = [model.score(text) for text in TEXTS]
    bits = -sum(score.log_prob for score in scores) / math.log(2)
    assert said == (
        f"total: 17 characters, 0 unknown, {bits / 17:.4f} bits per character, perplexity {2 ** (bits / 17):.4f}; "
        f"an ideal coder would need {math.ceil(bits / 8)} bytes"
    )
    assert "total" not in notes("To be")
    assert "total: 21 characters" in notes("--whole", "-f", file)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "missing.txt"],
        ["-f", "."],
        ["--whole", "--top", "2", "-f", "x"],
        ["--whole", "--rank", "--chars", "-f", "x"],
        ["a", "-m", "missing"],
    ],
)
def test_bad_input_is_one_line_and_2(paths, arguments):
    ended = piped("score", "-m", paths[0], *arguments)
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 2 and ended.stdout == b""
    assert last.startswith(b"charnn: ") and b"Traceback" not in ended.stderr


def test_what_is_not_utf8_is_named_with_its_offset(score, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 au lait")
    for more in ([], ["--whole"]):
        with pytest.raises(InputError, match="0xE9 at offset 3"):
            score("-f", str(path), *more)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_line_on_a_pipe_is_scored_before_the_next_is_written(paths, more):
    command = [*CHARNN, "score", "-m", paths[0], *more]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), bufsize=0, **pipes) as child:
        for line in (b"To be\n", b"not to be\n"):
            child.stdin.write(line)
            assert line.strip() in child.stdout.readline()
        child.stdin.write("日\n".encode())
        child.stdin.close()
        assert child.stdout.read() == b""
        assert b"character 1 of standard input, line 3" in child.stderr.read()


def test_memory_stays_flat_on_a_long_file(paths, tmp_path):
    """Twenty times the text, and no more memory for it than a few blocks."""

    def peak(lines):
        path = tmp_path / f"{lines}.txt"
        path.write_text("To be, or not to be, that is the question\n" * lines)
        script = (
            "import resource, sys; from charnn.cli.app import app; app(sys.argv[1:], standalone_mode=False);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        arguments = ["score", "-m", paths[0], "-f", str(path)]
        ended = subprocess.run(
            [CHARNN[0], "-c", script, *arguments], env=environment(), capture_output=True, check=True
        )
        return int(ended.stderr.splitlines()[-1]) / 1024

    assert peak(40_000) < peak(2_000) + 60  # MB
