"""Which runs this user began: noted outside of the run's folder, so that no copied folder can say it."""

from pathlib import Path

import pytest

from charnn.storage.begun_here import is_begun_here, remember_begun

ADDRESS = "https://example.org/text"


def test_it_is_known_of_the_folder_and_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    remember_begun(tmp_path / "run", [ADDRESS])
    assert is_begun_here(tmp_path / "run", [ADDRESS])
    assert not is_begun_here(tmp_path / "copy", [ADDRESS])
    assert not is_begun_here(tmp_path / "run", [ADDRESS, f"{ADDRESS}/2"])


def test_without_a_home_nothing_is_known_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    remember_begun(tmp_path / "run", [ADDRESS])
    assert not is_begun_here(tmp_path / "run", [ADDRESS])
