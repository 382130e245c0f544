"""Checkpoints survive what happens to files."""

from __future__ import annotations

import numpy as np
import pytest

from ecosight.errors import Unavailable
from training.checkpoints import CheckpointManager


def saved(folder, steps=3):
    manager = CheckpointManager(folder / "checkpoints")
    for step in range(1, steps + 1):
        manager.save(step, {"model/0000": np.full((4, 3), step, np.float32)}, {"epoch": step, "loss": 0.1 + 0.2})
    return manager


def test_what_was_saved_comes_back_exactly(tmp_path):
    arrays = {
        "model/0000": np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32),
        "model/0001": np.array([1, 2**32 - 1], np.uint32),
        "optimizer/0000": np.array(7, np.int64),
    }
    state = {"history": {"loss": [0.1 + 0.2, 1e-300]}, "best": None}
    manager = CheckpointManager(tmp_path)
    manager.save(4, arrays, state)
    found = manager.latest()
    assert found.step == 4
    assert found.state == state
    assert set(found.arrays) == set(arrays)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)


def test_the_last_two_are_kept(tmp_path):
    assert saved(tmp_path, steps=5).steps() == [4, 5]


def test_nothing_saved_is_none(tmp_path):
    assert CheckpointManager(tmp_path / "nowhere").latest() is None


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_newest_gives_way_to_the_one_before(tmp_path, part):
    manager = saved(tmp_path)
    newest = manager.folder / "step-00000003.npz"
    whole = newest.read_bytes()
    newest.write_bytes(whole[: int(len(whole) * part)])
    assert manager.latest().step == 2


def test_any_flipped_bit_in_the_numbers_is_noticed(tmp_path):
    manager = saved(tmp_path)
    newest = manager.folder / "step-00000003.npz"
    whole = bytearray(newest.read_bytes())
    place = whole.index(np.full((4, 3), 3, np.float32).tobytes()) + 5
    whole[place] ^= 1
    newest.write_bytes(whole)
    assert manager.latest().step == 2


def test_when_all_are_damaged_there_is_none(tmp_path):
    manager = saved(tmp_path)
    for file in manager.folder.iterdir():
        file.write_bytes(b"nothing of use")
    assert manager.latest() is None


def test_a_file_left_half_written_is_neither_used_nor_kept(tmp_path):
    manager = saved(tmp_path)
    left_over = manager.folder / "step-00000004.npz.123.tmp"
    left_over.write_bytes(b"half")
    assert manager.latest().step == 3
    assert not left_over.exists()


def test_a_pickled_object_is_never_loaded(tmp_path):
    manager = saved(tmp_path, steps=1)
    np.savez(manager.folder / "step-00000009.npz", evil=np.array([{"a": 1}], dtype=object))
    assert manager.latest().step == 1


def test_state_that_is_not_finite_is_refused_before_anything_is_written(tmp_path):
    manager = saved(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        manager.save(4, {}, {"loss": float("nan")})
    assert manager.steps() == [2, 3]


def test_cleared_is_empty(tmp_path):
    manager = saved(tmp_path)
    manager.clear()
    assert manager.steps() == []
    manager.clear()


def test_a_disk_that_takes_nothing_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="no checkpoint can be written"):
        CheckpointManager(tmp_path / "file" / "checkpoints").save(1, {}, {})
