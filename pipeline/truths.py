"""Ground truth that arrives later: reads it, and joins it to the predictions it is about."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ecosight.errors import InvalidInput, NotFound
from ecosight.state.predictions import PredictionLog
from ecosight.values import Outcome

__all__ = ["join_truths", "read_truths"]


def read_truths(prediction_id: str, true_label: str) -> list[tuple[str, str]]:
    """One (prediction id, label), or those of a CSV file with the columns prediction_id and true_label.

    Raises: InvalidInput: no label and no such file, or rows without one; every bad row is named.
    """
    if true_label:
        return [(prediction_id, true_label)]
    path = Path(prediction_id)
    if not path.is_file():
        raise InvalidInput(
            f"{prediction_id!r} is neither a CSV file nor followed by a label",
            hint="ecosight label PREDICTION_ID LABEL, or ecosight label truths.csv",
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    bad = [str(n) for n, row in enumerate(rows, 2) if not (row.get("prediction_id") and row.get("true_label"))]
    if bad or not rows:
        raise InvalidInput(
            f"{path.name} lacks prediction_id or true_label in "
            + (f"line {', '.join(bad[:10])}" if bad else "all of it"),
            hint="The first line names the columns: prediction_id,true_label.",
        )
    return [(row["prediction_id"].strip(), row["true_label"].strip()) for row in rows]


def join_truths(
    predictions: PredictionLog, truths: Iterable[tuple[str, str]], *, now: datetime, dry_run: bool
) -> dict[str, Any]:
    """Join what can be joined; the rest comes back by name. Joining the same truth again changes nothing."""
    joined, unchanged, unknown = 0, 0, []
    for prediction_id, truth in truths:
        if predictions.get(prediction_id) is None:
            unknown.append(prediction_id)
        elif dry_run:
            joined += 1
        else:
            try:
                changed = predictions.add_outcome(Outcome(prediction_id=prediction_id, truth=truth, told_at=now))
            except NotFound:
                unknown.append(prediction_id)
                continue
            joined, unchanged = joined + changed, unchanged + (not changed)
    return {"joined": joined, "unchanged": unchanged, "unknown": unknown, "dry_run": dry_run}
