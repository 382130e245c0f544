"""Truths that come later are read as every other table, and checked as every other label."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecosight.errors import InvalidInput
from ecosight.state import PredictionLog, open_database
from ecosight.values import Prediction
from pipeline.truths import join_truths, read_truths


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_in_every_encoding_that_datasets_come_in(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "truths.csv"
    file.write_text("prediction_id, true_label\npred_1, Ele\u0301phant\n\npred_2,owl\n", encoding)
    assert read_truths(str(file), "") == [("pred_1", "El\u00e9phant"), ("pred_2", "owl")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"prediction_id,true_label\npred_1,\xe9l\xe9phant\n", "truths.csv is not UTF-8 text"),
        (b"prediction_id,true_label\n" + b"x" * 200_000 + b",owl\n", "line 2: field larger than field limit"),
        (b"prediction_id,label\npred_1,owl\n", "has no column true_label"),
        (b"prediction_id,true_label\n", "there is no row below the names of the columns"),
        (
            b"prediction_id,true_label\n,owl\npred_2,\npred_3,a/b\n",
            "line 2: .*; line 3: .*; line 4: .* looks like a path",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "truths.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        read_truths(str(file), "")


def test_a_dry_run_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    log = PredictionLog(open_database(f"sqlite:///{tmp_path / 'e.db'}"), tmp_path / "spool")
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for name in ("pred_1", "pred_2"):
        log.append(
            Prediction(
                id=name,
                sample_id="s" * 64,
                model_version="1",
                model_digest="m" * 64,
                variant="champion",
                key="k",
                label="fox",
                probabilities={"fox": 1.0},
                latency_ms=1.0,
                made_at=now,
            )
        )
    assert join_truths(log, [("pred_1", "owl")], now=now, dry_run=False)["joined"] == 1
    truths = [("pred_1", "owl"), ("pred_2", "owl"), ("pred_3", "owl")]
    for _ in range(2):
        told = join_truths(log, truths, now=now, dry_run=True)
        assert told == {"joined": 1, "unchanged": 1, "unknown": ["pred_3"], "dry_run": True}
    assert join_truths(log, [("pred_1", "fox")], now=now, dry_run=True)["joined"] == 1  # it would be corrected
    assert log.truth("pred_2") is None


def test_what_is_no_label_is_no_truth() -> None:
    assert read_truths("pred_1", " owl ") == [("pred_1", "owl")]
    for label in ("   ", "a/b", "x" * 65):
        with pytest.raises(InvalidInput):
            read_truths("pred_1", label)
