"""The program as a whole: help, version, exit codes, errors of one line."""

import os
import signal
import subprocess
import sys

import pytest
from cli import CHARNN, environment, piped
from helpers import random_model, written

from charnn import __version__
from charnn.cli import app
from charnn.config import ModelConfig, SampleConfig
from charnn.errors import CharnnError, InputError

COMMANDS = ("train", "sample", "score", "info", "cache")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(written(tmp_path_factory.mktemp("app"), random_model(ModelConfig(vocab_size=70, hidden=8))))


def imported_by(*arguments):
    """The modules that a command has imported when it is done."""
    watch = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    run = f"{watch}; sys.argv[1:] = {list(arguments)!r}; from charnn.cli.app import main; main()"
    ended = subprocess.run([sys.executable, "-c", run], env=environment(), capture_output=True, check=False)
    return set(ended.stderr.decode().splitlines()[-1].split())


def test_version():
    ended = piped("--version")
    assert (ended.returncode, ended.stdout.decode()) == (0, f"charnn {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_a_text_for_every_option(command):
    ended = piped(command, "--help")
    assert ended.returncode == 0 and f"Example: charnn {command}" in ended.stdout.decode()
    parameters = app.whole_program().commands[command].params
    assert parameters and all(parameter.help for parameter in parameters)


def test_help_shows_the_defaults_that_the_configuration_holds():
    text = piped("sample", "-h", env={"COLUMNS": "200"}).stdout.decode()
    assert f"[default: {SampleConfig().length}]" in text


def test_help_is_grouped():
    text = piped("sample", "--help").stdout.decode()
    assert text.index("Sampling:") < text.index("--top-k") < text.index("Output:")


def test_help_and_usage_errors_import_nothing_heavy():
    for arguments in (["--help"], ["sample", "--help"], ["score", "--nothing"]):
        assert not {"numpy", "torch", "rich.console"} & imported_by(*arguments)


def test_sampling_scoring_and_filling_never_import_torch(model):
    for arguments in (
        ["sample", "-m", model, "-l", "3"],
        ["score", "-m", model, "ab"],
        ["fill", "-m", model, "a_"],
    ):
        modules = imported_by(*arguments)
        assert "numpy" in modules and "torch" not in modules


@pytest.mark.parametrize("arguments", [["sample", "--nothing"], ["nothing"], ["sample", "-l", "many"], []])
def test_bad_usage_is_2(arguments):
    ended = piped(*arguments)
    assert ended.returncode == 2 and b"Usage: charnn" in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [[b"sample", b"-p", b"a\xff"], [b"score", b"\xff"], [b"sample", b"--stop", b"a", b"--stop", b"\xff"]],
)
def test_bytes_that_are_no_text_are_2(arguments):
    ended = piped(*arguments)
    assert ended.returncode == 2 and ended.stderr.startswith(b"charnn: argument ")
    assert ended.stderr.count(b"\n") == 1 and rb"\xff" in ended.stderr


@pytest.mark.parametrize("arguments", [[b"\xff"], [b"sample", b"--\xff"], [b"sample", b"-l", b"\xff"]])
def test_usage_errors_show_bytes_that_are_no_text(arguments):
    ended = piped(*arguments)
    assert ended.returncode == 2 and rb"\udcff" in ended.stderr


def test_files_may_be_called_anything(tmp_path):
    """Names are bytes to the system; what isn't UTF-8 is escaped where it is shown."""
    folder = tmp_path / os.fsdecode(b"\xfe")
    folder.mkdir()
    model = os.fsencode(written(folder, random_model(ModelConfig(vocab_size=70, hidden=8))))
    text, page, prompt = (os.fsencode(folder / name) for name in ("text", "page.html", "prompt"))
    (folder / "text").write_text("abcdefghijk\n" * 9)
    (folder / "prompt").write_text("ab")
    ended = piped("score", "-m", model, "-f", text, "--whole", "--html", page)
    assert (ended.returncode, ended.stdout.count(b"\n")) == (0, 1) and rb"\udcfe" in ended.stderr
    assert r"\udcfe" in (folder / "page.html").read_text(encoding="utf-8")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    sample = ["sample", "-m", model, "--seed", "1", "-l", "5"]
    ended = piped(*sample, "--prompt-file", prompt, "--novelty", text, "--json", env=cache)
    assert ended.returncode == 0 and b"copied_share" in ended.stdout
    for kind in (b"svg", b"png"):
        picture = folder / f"picture.{kind.decode()}"
        few = ["--longest", "2", "--places", "2", "--corpus", text]
        ended = piped("inspect", "memory", model, *few, b"--" + kind, os.fsencode(picture), env=cache)
        assert ended.returncode == 0 and picture.stat().st_size


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("no such thing"), 2, "charnn: no such thing\n"),
        (CharnnError("disk\nfull\x1b"), 1, "charnn: disk\\nfull\\x1b\n"),
        (MemoryError(), 1, "charnn: out of memory\n"),
        *(
            (
                RuntimeError(f"torch: {sign}"),
                1,
                "charnn: out of memory: torch can't allocate what it needs (see ulimit -v)\n",
            )
            for sign in ("DefaultCPUAllocator: can't", "std::bad_alloc", "could not execute a primitive")
        ),
        (
            RuntimeError("can't start new thread"),
            1,
            "charnn: the system starts no more threads (see ulimit -u)\n",
        ),
        (
            ImportError("numpy could not be imported\n\nlibx.so: failed to map segment from shared object"),
            1,
            "charnn: out of memory: a library could not be loaded (see ulimit -v)\n",
        ),
        *(
            (
                SystemError(f"error return {silence}"),
                1,
                "charnn: out of memory: a library failed without a word (see ulimit -v)\n",
            )
            for silence in ("without exception set", "without setting an exception")
        ),
        (OSError(5, "Input/output error"), 1, "charnn: [Errno 5] Input/output error\n"),
        (OSError(13, "Permission denied", "run/x"), 1, "charnn: cannot use run/x: Permission denied\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(monkeypatch, capsys, error, code, message):
    def failing(**_):
        raise error

    monkeypatch.setattr(app, "app", failing)
    monkeypatch.setattr(app, "guard_streams", lambda: None)
    monkeypatch.setattr(sys, "argv", ["charnn"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_quietly_and_is_what_it_dies_of(model, number):
    command = [*CHARNN, "sample", "-m", model, "-l", "-1", "--seed", "1"]
    child = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.read(10)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=300)
    assert child.returncode == -number
    assert stderr.count(b"\n") == 1 and stderr.startswith(b"model: ")


@pytest.mark.parametrize("error", [RuntimeError("a fault of charnn"), ImportError("no module named torch")])
def test_an_error_that_is_not_the_machines_is_not_hidden(monkeypatch, error):
    def failing(**_):
        raise error

    monkeypatch.setattr(app, "app", failing)
    monkeypatch.setattr(app, "guard_streams", lambda: None)
    with pytest.raises(type(error)):
        app.main()


def test_completion_scripts_are_there():
    assert b"_CHARNN_COMPLETE" in piped("--show-completion", "bash").stdout
