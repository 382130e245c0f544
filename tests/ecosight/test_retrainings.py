"""The history of retrainings: once a job, newest first, learning curves and all."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from ecosight.state import Database, RetrainingLog, RetrainingRecord

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def record(job_id: str, **changes: object) -> RetrainingRecord:
    values = {
        "job_id": job_id,
        "started_at": START,
        "finished_at": START + timedelta(seconds=90),
        "reason": "100 new samples",
        "verdict": "promoted",
        "dataset": "main@v3",
        "dataset_version": 3,
        "dataset_digest": "d" * 64,
        "sample_counts": {"dog": 60, "gun": 40},
        "total_samples": 100,
        "new_samples": 20,
        "epochs_trained": 12,
        "accuracy": 0.97,
        "macro_f1": 0.96,
        "model_version": "4",
        "model_digest": "m" * 64,
        "run_id": "run",
        "duration_s": 90.5,
        "reasons": ["no class fell"],
        "history": {"loss": [0.9, 0.4], "val_accuracy": [0.5, 0.9]},
        "error": None,
    }
    return RetrainingRecord(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def log(database: Database) -> RetrainingLog:
    return RetrainingLog(database)


def test_an_empty_history_has_no_latest(log: RetrainingLog) -> None:
    assert log.latest() is None
    assert log.history() == []


def test_a_record_comes_back_as_it_was(log: RetrainingLog) -> None:
    assert log.add(record("one"))
    assert log.latest() == record("one")


def test_a_job_that_runs_twice_is_written_once(log: RetrainingLog) -> None:
    assert log.add(record("one"))
    assert not log.add(record("one", verdict="rejected"))
    assert log.history() == [record("one")]


def test_the_newest_comes_first_even_when_the_clock_went_back(log: RetrainingLog) -> None:
    log.add(record("one"))
    log.add(record("two", finished_at=START - timedelta(days=1)))
    log.add(record("three"))
    assert [each.job_id for each in log.history()] == ["three", "two", "one"]
    assert [each.job_id for each in log.history(limit=2)] == ["three", "two"]


def test_a_failure_needs_no_figures(log: RetrainingLog) -> None:
    failed = RetrainingRecord(
        job_id="one", started_at=START, finished_at=START, reason="by hand", verdict="failed", error={"code": "refused"}
    )
    log.add(failed)
    found = log.latest()
    assert found is not None
    assert found.error == {"code": "refused"}
    assert found.accuracy is None


def test_a_loss_that_was_not_finite_does_not_lose_the_record(log: RetrainingLog) -> None:
    log.add(record("one", history={"loss": [1.0, math.nan, math.inf]}))
    found = log.latest()
    assert found is not None
    assert found.history == {"loss": [1.0, None, None]}
