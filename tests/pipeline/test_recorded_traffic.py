"""What recorded traffic tells, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecosight.errors import NotEnoughData
from ecosight.state import Database, PredictionLog
from ecosight.values import Outcome, Prediction
from pipeline.recorded_traffic import read_traffic

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


def fill(database: Database, folder: Path, *, requests: int) -> None:
    """One request a second; every tenth has a key of its own, the rest share three; every fifth is labelled."""
    log = PredictionLog(database, folder)
    try:
        for number in range(requests):
            log.append(
                Prediction(
                    id=f"pred_{number}",
                    sample_id="a" * 64,
                    model_version="1",
                    model_digest="b" * 64,
                    variant="champion",
                    key=f"own-{number}" if number % 10 == 0 else f"shared-{number % 3}",
                    label="owl",
                    probabilities={"owl": 1.0},
                    latency_ms=1.0,
                    made_at=BEGAN + timedelta(seconds=number),
                )
            )
        log.flush()
        for number in range(0, requests, 5):
            truth = "fox" if number % 25 == 0 else "owl"
            log.add_outcome(Outcome(prediction_id=f"pred_{number}", truth=truth, told_at=BEGAN, annotator="ann"))
    finally:
        log.close()


def test_traffic_is_counted_by_time_by_key_and_by_truth(database: Database, tmp_path: Path) -> None:
    fill(database, tmp_path / "spool", requests=200)
    traffic = read_traffic(database, since=BEGAN)
    assert (traffic.requests, traffic.seconds) == (200, 199.0)
    assert (traffic.labelled, traffic.wrong) == (40, 8)
    assert traffic.keys_by_requests == ((1, 20), (60, 3))
    assert traffic.keys == 23
    assert traffic.requests_per_s == pytest.approx(200 / 199)


def test_hardly_any_traffic_is_no_traffic(database: Database, tmp_path: Path) -> None:
    fill(database, tmp_path / "spool", requests=120)
    with pytest.raises(NotEnoughData, match="50 requests") as caught:
        read_traffic(database, since=BEGAN + timedelta(seconds=70))
    assert "--requests-per-s" in caught.value.hint
