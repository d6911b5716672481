"""A wheel, installed into an empty environment and used from another folder, can train, sample and score."""

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def charnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of a fresh environment that holds the wheel; the libraries are this environment's."""
    base = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", base, ROOT], check=True)
    (wheel,) = base.glob("*.whl")
    venv.create(base / "env", with_pip=False)
    python = base / "env/bin/python"
    libraries = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig as s; print(s.get_path('purelib'))"], text=True
        ).strip()
    )
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (libraries / "here.pth").write_text("\n".join(site.getsitepackages()))
    return base / "env/bin/charnn"


def run(charnn: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([charnn, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_the_one_that_runs(charnn: Path, tmp_path: Path) -> None:
    python = charnn.parent / "python"
    home = subprocess.check_output(
        [python, "-c", "import charnn; print(charnn.__file__)"], cwd=tmp_path, text=True
    )
    assert Path(home).is_relative_to(charnn.parent.parent)


def test_bundled_model_samples_and_scores(charnn: Path, tmp_path: Path) -> None:
    assert len(run(charnn, tmp_path, "sample", "--length", "50", "--seed", "1")) == 50
    record = json.loads(run(charnn, tmp_path, "score", "--json", "To be, or not to be"))
    assert record["chars"] == 19
    assert record["bits_per_char"] < 4


def test_bundled_corpus_trains(charnn: Path, tmp_path: Path) -> None:
    run(charnn, tmp_path, "train", "--steps", "5", "--hidden", "8", "--device", "cpu")
    assert (tmp_path / "checkpoints/bundled/model.safetensors").is_file()


def test_bundled_model_is_exported(charnn: Path, tmp_path: Path) -> None:
    run(charnn, tmp_path, "export", "-o", "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<script") == 2
