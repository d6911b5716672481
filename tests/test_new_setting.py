"""One field in a copy of config.py is a whole setting: help, checks, files' bounds, resume, a warm start, the docs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIELDS = {
    "    warmup: int": """    cooldown: int = setting(
        3, "Steps at the last rate.", OPTIMISATION, within=Range(0, 99)
    )
""",
    "    kind: Kind": """    heads: int = setting(
        2, "Attention heads.", NETWORK, within=Range(1, 8), is_architecture=True
    )
""",
}
PROGRAM = """
from dataclasses import asdict, replace

import pytest

from charnn.cli.app import whole_program
from charnn.config import Budget, ModelConfig, TrainConfig
from charnn.errors import InputError
from charnn.settings import require_valid
from charnn.storage.model_file import parse_model_config
from charnn.training.options import checked_options
from charnn.training.recipe import RecipeInputs, choose
from charnn.training.resume import continued_config
from charnn.training.warm_start import with_architecture
from docs.generate import contexts, settings_page

train = next(c for c in contexts(whole_program(), "charnn") if c.info_name == "train")
assert "--cooldown N" in train.get_help() and "Attention heads.  [default: 2]" in train.get_help()
with pytest.raises(InputError, match="--cooldown 100: give a whole number from 0 to 99"):
    checked_options({"cooldown": 100})
old = TrainConfig(ModelConfig(9), budget=Budget(steps=1))
config = choose(checked_options({"steps": 1, "cooldown": 7, "heads": 4}), old.data, RecipeInputs(1000, 9))
assert (config.optim.cooldown, config.model.heads) == (7, 4)
with pytest.raises(InputError, match="--cooldown 7 would change this run, which was begun with 3"):
    continued_config(old, (), {"cooldown": 7})
assert continued_config(config, (), {"cooldown": 7}) == config
with pytest.raises(ValueError, match="config.optim.cooldown is 100: it must be a whole number from 0 to 99"):
    require_valid(replace(old, optim=replace(old.optim, cooldown=100)), "config")
with pytest.raises(ValueError, match="its heads is 9: it must be a whole number from 1 to 8"):
    parse_model_config({**asdict(old.model), "heads": 9})
with pytest.raises(InputError, match="--heads 4 differs from the --init-from model's 2"):
    with_architecture({"heads": 4}, old.model)
assert "| `--cooldown` | `cooldown` | 3 | a whole number from 0 to 99 | fixed |" in settings_page()
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The program, with two more fields in its configuration and nothing else."""
    for folder in ("charnn", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = tmp_path / "charnn/config.py"
    text = config.read_text(encoding="utf-8")
    for place, field in FIELDS.items():
        assert text.count(place) == 1
        text = text.replace(place, field + place)
    config.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_field_is_all_that_a_setting_takes(copy: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=copy, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
