"""A job's work folder."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest

from ecosight.errors import IntegrityError, InvalidInput, Unavailable
from training.plan import FORGOTTEN_S, Plan, WorkFolder
from training.settings import FitSettings


def plan(**changes) -> Plan:
    values = {
        "job_id": "job_1",
        "reason": "test",
        "started_at": datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "dataset_digest": "d",
        "new_samples": 3,
        "embedder": {"name": "e", "digest": "f"},
        "settings": FitSettings(patience=None),
        "head": {"hidden_units": [8], "dropout": [0.1]},
        "seed": 7,
        "min_accuracy": 0.5,
        "trigger": {"due": True},
    }
    return Plan(**(values | changes))


def test_the_first_attempts_plan_stands(tmp_path):
    first = WorkFolder(tmp_path, "job_1").plan(lambda: plan())
    again = WorkFolder(tmp_path, "job_1").plan(lambda: plan(seed=8))
    assert first == again == plan()
    assert WorkFolder(tmp_path, "job_2").known_plan() is None


def test_a_half_written_document_is_as_good_as_none(tmp_path):
    work = WorkFolder(tmp_path, "job_1")
    work.write("a.json", {"x": 1})
    (work.path / "b.json.123.tmp").write_text('{"x"')
    assert work.read("a.json") == {"x": 1}
    assert work.read("b.json") is None


def test_a_document_that_was_cut_off_is_told_in_a_sentence(tmp_path):
    work = WorkFolder(tmp_path, "job_1")
    work.write("a.json", {"x": 1})
    (work.path / "a.json").write_text('{"x"')
    with pytest.raises(IntegrityError, match="damaged"):
        work.read("a.json")


def test_only_what_was_left_long_ago_is_swept(tmp_path):
    for name in ("old", "young", "mine"):
        WorkFolder(tmp_path, name).plan(lambda: plan())
    long_ago = time.time() - FORGOTTEN_S - 60
    for name in ("old", "mine"):
        for path in (tmp_path / name / "plan.json", tmp_path / name):
            os.utime(path, (long_ago, long_ago))
    (tmp_path / "no_job").mkdir()
    WorkFolder(tmp_path, "mine").sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "no_job", "young"]


@pytest.mark.parametrize("job_id", ["", "../elsewhere", "a/b", ".hidden", "x" * 200])
def test_an_id_that_is_no_folder_name_is_refused(tmp_path, job_id):
    with pytest.raises(InvalidInput, match="cannot name a job"):
        WorkFolder(tmp_path, job_id)


def test_a_disk_that_takes_nothing_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        WorkFolder(tmp_path / "file", "job_1").write("a.json", {})
