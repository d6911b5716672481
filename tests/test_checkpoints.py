import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_helpers import CONFIG, tensors_of, values_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from charnn import files
from charnn.config import Budget
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.storage import checkpoint_folders
from charnn.storage.checkpoint_folders import MANIFEST, TENSORS, VALUES, checkpoint_paths
from charnn.storage.checkpoints import CheckpointStore


def save(store: CheckpointStore, step: int) -> Path:
    return store.save(tensors_of(step), values_of(step))


def names(store: CheckpointStore) -> list[str]:
    return [path.name for path in checkpoint_paths(store.folder)]


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Two states, of steps 1 and 2."""
    store = CheckpointStore(tmp_path / "resume", keep=2)
    save(store, 1)
    save(store, 2)
    return store


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "resume", keep=2)
    values = values_of(7, versions={"name": "naïve \x1b"}, vocabulary=Vocabulary("ü\x1b", has_unknown=True))
    transposed = torch.arange(6.0).reshape(2, 3).t()
    weight = torch.randn(4, requires_grad=True)
    path = store.save(tensors_of(7) | {"t": transposed, "w": weight}, values)
    state, complaints = store.latest()
    assert state is not None and complaints == []
    assert (state.path, state.step, state.values) == (path, 7, values)
    assert torch.equal(state.tensors["t"], transposed)
    assert torch.equal(state.tensors["w"], weight)


def test_somebodys_folder_in_the_place_of_a_part_outlives_the_checkpoint(store: CheckpointStore) -> None:
    newest = checkpoint_paths(store.folder)[-1]
    (newest / TENSORS).unlink()
    (newest / TENSORS).mkdir()
    (newest / TENSORS / "theirs").write_bytes(b"")
    checkpoint_folders.remove_checkpoint(newest)
    assert [path.name for path in newest.rglob("*")] == [TENSORS, "theirs"]


def test_tensors_that_share_memory_are_each_saved(tmp_path: Path) -> None:
    """The zero state of an LSTM, say, before the first step."""
    store, zeros = CheckpointStore(tmp_path / "resume", keep=2), torch.zeros(2, 3)
    store.save(tensors_of(0) | {"h": zeros, "c": zeros, "row": zeros[1]}, values_of(0))
    state, _ = store.latest()
    assert state is not None and [state.tensors[name].numel() for name in ("h", "c", "row")] == [6, 6, 3]


def test_no_states(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path / "none", keep=2).latest() == (None, [])


def test_states_are_ordered_by_step_not_by_time_or_name(store: CheckpointStore) -> None:
    save(store, 10_000_000_000)  # more digits than a name is padded to
    os.utime(store.folder / "0000000002-0", ns=(2**62, 2**62))
    state, _ = store.latest()
    assert state is not None and state.step == 10_000_000_000


def test_the_same_step_may_be_saved_again(store: CheckpointStore) -> None:
    for revision in range(1, 12):
        assert save(store, 2).name == f"0000000002-{revision}"
    assert names(store) == ["0000000002-10", "0000000002-11"]


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_so_many_are_kept(tmp_path: Path, keep: int) -> None:
    store = CheckpointStore(tmp_path / "resume", keep)
    for step in range(5):
        save(store, step)
    assert names(store) == [f"{step:010d}-0" for step in range(5 - keep, 5)]


def _cuts(size: int) -> list[int]:
    return [0, 1, 7, 8, size // 2, size - 1]


@pytest.mark.parametrize("part", [TENSORS, VALUES, MANIFEST])
@pytest.mark.parametrize("place", range(6))
def test_a_part_cut_short_is_noticed_and_the_state_before_is_used(
    store: CheckpointStore, part: str, place: int
) -> None:
    path = store.folder / "0000000002-0" / part
    os.truncate(path, _cuts(path.stat().st_size)[place])
    _assert_only_the_first_is_whole(store, path)


@pytest.mark.parametrize("part", [TENSORS, VALUES, MANIFEST])
def test_every_flipped_byte_is_noticed_and_the_state_before_is_used(
    store: CheckpointStore, part: str
) -> None:
    path = store.folder / "0000000002-0" / part
    content = path.read_bytes()
    for place in {*range(0, len(content), 5), len(content) - 1}:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x21]) + content[place + 1 :])
        _assert_only_the_first_is_whole(store, path)


@pytest.mark.parametrize("part", [TENSORS, VALUES, MANIFEST])
def test_a_missing_part_is_noticed_and_the_state_before_is_used(store: CheckpointStore, part: str) -> None:
    path = store.folder / "0000000002-0" / part
    path.unlink()
    _assert_only_the_first_is_whole(store, path)


def _assert_only_the_first_is_whole(store: CheckpointStore, altered: Path) -> None:
    state, complaints = store.latest()
    assert state is not None and state.step == 1
    assert len(complaints) == 1 and f"the checkpoint {altered.parent} " in complaints[0]
    assert "\n" not in complaints[0]


@pytest.mark.parametrize("manifest", [b"[]", b"{}", b"null", b'{"state.json": 3}', b"[" * 100_000])
def test_a_manifest_of_another_kind_marks_nothing_as_whole(store: CheckpointStore, manifest: bytes) -> None:
    path = store.folder / "0000000002-0" / MANIFEST
    path.write_bytes(manifest)
    _assert_only_the_first_is_whole(store, path)


def test_when_no_state_is_whole_each_is_complained_about(store: CheckpointStore) -> None:
    for path in checkpoint_paths(store.folder):
        (path / MANIFEST).unlink()
    state, complaints = store.latest()
    assert state is None
    assert len(complaints) == 2


def test_values_that_could_not_be_read_back_are_never_saved(store: CheckpointStore) -> None:
    endless = replace(CONFIG, budget=Budget())
    for impossible in (
        {"seconds": float("nan")},
        {"seconds": -1.0},
        {"vocabulary": Vocabulary("ab")},
        {"config": endless},
    ):
        with pytest.raises(CharnnError, match="step 3 could not be read again"):
            store.save(tensors_of(3), values_of(3, **impossible))
    assert names(store) == ["0000000001-0", "0000000002-0"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", range(1, 6))
def test_a_failed_sync_leaves_the_states_before_and_says_which_and_why(
    store: CheckpointStore, number: int, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save syncs the run's folder, three parts, the state's folder, the folder of checkpoints."""
    calls, real = [], os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == call:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(CharnnError) as caught:
        save(store, 3)
    assert str(caught.value) == f"cannot write {store.folder / '0000000003-0'}: {os.strerror(number)}"
    assert sorted(p.name for p in store.folder.iterdir()) == ["0000000001-0", "0000000002-0"]
    state, complaints = store.latest()
    assert state is not None and state.step == 2 and not complaints


def test_a_rotation_cut_in_the_middle_is_finished_by_the_next(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after the mark is taken away and before the rest is removed."""
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_folders, "TENSORS", MANIFEST)  # the mark goes, the parts stay
        patch.setattr(checkpoint_folders, "VALUES", MANIFEST)
        save(store, 3)
    assert names(store) == ["0000000001-0", "0000000002-0", "0000000003-0"]
    save(store, 4)
    assert names(store) == ["0000000003-0", "0000000004-0"]


def test_a_torn_newer_state_never_costs_the_one_just_saved(tmp_path: Path) -> None:
    """After a rollback to a state below one that was altered on the disk."""
    store = CheckpointStore(tmp_path / "resume", keep=1)
    (save(store, 100) / VALUES).write_bytes(b"altered")
    save(store, 60)
    save(store, 70)
    state, _ = store.latest()
    assert state is not None and state.step == 70


def test_what_is_damaged_is_set_aside_until_the_run_ends(store: CheckpointStore) -> None:
    save(store, 3)
    (store.folder / "0000000003-0" / VALUES).write_bytes(b"altered")
    (store.folder / ".tmp-0000000004-0-0123abcd").mkdir()
    newest, _ = store.latest()
    assert newest is not None
    (aside,) = store.set_aside_newer(newest)
    assert (aside / VALUES).read_bytes() == b"altered"
    save(store, 3)
    (store.folder / "0000000003-0" / VALUES).write_bytes(b"altered again")
    (second,) = store.set_aside_newer(newest)
    assert second != aside
    assert sorted(p.name for p in store.folder.iterdir()) == ["0000000002-0", aside.name, second.name]
    store.finished()
    assert names(store) == [p.name for p in store.folder.iterdir()] == ["0000000002-0"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("part", [TENSORS, VALUES, MANIFEST])
def test_an_error_of_the_machine_is_no_damage(
    store: CheckpointStore, number: int, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def failing(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == part:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(files.os, "open", failing)
    with pytest.raises(CharnnError, match=f"cannot read .*{part}: {os.strerror(number)}") as caught:
        store.newest()
    assert caught.value.exit_code == 1
    assert names(store) == ["0000000001-0", "0000000002-0"]


def test_states_that_are_all_damaged_are_refused_and_stay(store: CheckpointStore) -> None:
    for path in checkpoint_paths(store.folder):
        with (path / VALUES).open("ab") as file:
            file.write(b" ")
    with pytest.raises(ModelFileError, match=r"no checkpoint in .* --overwrite begins a new run"):
        store.newest()
    assert names(store) == ["0000000001-0", "0000000002-0"]


@pytest.mark.parametrize("part", [TENSORS, VALUES, MANIFEST])
def test_a_sparse_giant_is_damage_that_takes_no_memory(store: CheckpointStore, part: str) -> None:
    path = store.folder / "0000000002-0" / part
    os.truncate(path, 1 << 40)
    _assert_only_the_first_is_whole(store, path)


def test_a_link_is_followed_nowhere(store: CheckpointStore, tmp_path: Path) -> None:
    moved = store.folder.rename(tmp_path / "photos")
    store.folder.symlink_to(moved)
    for act in (store.latest, lambda: save(store, 3)):
        with pytest.raises(InputError, match="a symbolic link, not a folder"):
            act()
    assert sorted(p.name for p in moved.iterdir()) == ["0000000001-0", "0000000002-0"]


def test_a_run_that_was_moved_away_is_not_made_anew(store: CheckpointStore, tmp_path: Path) -> None:
    gone = CheckpointStore(tmp_path / "gone/resume", keep=1)
    with pytest.raises(CharnnError, match="No such file"):
        save(gone, 3)
    assert not gone.folder.parent.exists()


def test_strange_names_among_the_states_are_left_alone(store: CheckpointStore) -> None:
    for name in ("notes", "12", "1-x", "-1"):
        (store.folder / name).mkdir()
    save(store, 3)
    assert names(store) == ["0000000002-0", "0000000003-0"]
    assert (store.folder / "notes").is_dir()


class Rotation(RuleBasedStateMachine):
    """Saves, evaluations at the same step, crashes in a save or a rotation, rollbacks, clocks set back."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(os.environ["PYTEST_STATES"]) / os.urandom(8).hex() / "resume"
        self.step = 0
        self.newest: int | None = None
        self.folder.parent.mkdir()
        self.keep = 2

    @property
    def store(self) -> CheckpointStore:
        return CheckpointStore(self.folder, self.keep)

    def teardown(self) -> None:
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    @rule(steps=st.integers(0, 3), keep=st.integers(1, 3))
    def save(self, steps: int, keep: int) -> None:
        self.step, self.keep = self.step + steps, keep
        save(self.store, self.step)
        self.newest = self.step
        assert not list(self.folder.glob(".tmp-*"))
        assert len(checkpoint_paths(self.folder)) <= keep

    @rule(parts=st.integers(0, 3))
    def crash_in_a_save(self, parts: int) -> None:
        folder = self.folder / f".tmp-{self.step + 1:010d}-0-abcdef01"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (TENSORS, VALUES, MANIFEST)[:parts]:
            (folder / name).write_bytes(b"half of i")

    @rule()
    def crash_in_a_rotation(self) -> None:
        if len(checkpoint_paths(self.folder)) > 1:
            (checkpoint_paths(self.folder)[0] / MANIFEST).unlink(missing_ok=True)

    @rule(number=st.integers(0, 3), when=st.integers(0, 2**61))
    def set_the_clock_back(self, number: int, when: int) -> None:
        for path in checkpoint_paths(self.folder)[:number]:
            os.utime(path, ns=(when, when))

    @rule()
    def resume(self) -> None:
        state, _ = self.store.latest()
        if state:
            self.store.set_aside_newer(state)
        self.step = state.step if state else 0

    @invariant()
    def the_last_state_loads(self) -> None:
        state, complaints = self.store.latest()
        assert (state.step if state else None) == self.newest
        assert complaints == []
        if state:
            assert all(torch.equal(state.tensors[n], t) for n, t in tensors_of(state.step).items())


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_STATES", str(tmp_path))


def test_a_state_is_json_and_safetensors(store: CheckpointStore) -> None:
    path = store.folder / "0000000002-0"
    assert sorted(p.name for p in path.iterdir()) == sorted([TENSORS, VALUES, MANIFEST])
    values: Any = json.loads((path / VALUES).read_bytes())
    assert values["train_state"]["step"] == 2
    assert values["vocabulary"]["characters"] == "abc"
