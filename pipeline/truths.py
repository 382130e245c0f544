"""Ground truth that arrives later: reads it, and joins it to the predictions it is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from dataset.labels import check_label
from dataset.readers.tables import table_rows
from ecosight.errors import InvalidInput, NotFound
from ecosight.state.predictions import PredictionLog
from ecosight.values import Outcome

__all__ = ["join_truths", "read_truths"]

_SHOWN = 10


def read_truths(prediction_id: str, true_label: str) -> list[tuple[str, str]]:
    """One (prediction id, label), or those of a CSV file with the columns prediction_id and true_label.

    Raises: InvalidInput: no label and no such file, no table, or rows without an id or a label; bad rows are named.
    """
    if true_label:
        return [(prediction_id, check_label(true_label))]
    path = Path(prediction_id)
    if not path.is_file():
        raise InvalidInput(
            f"{prediction_id!r} is neither a CSV file nor followed by a label",
            hint="ecosight label PREDICTION_ID LABEL, or ecosight label truths.csv",
        )
    truths, faults = [], []
    for line, row in table_rows(path, ("prediction_id", "true_label")):
        try:
            if not row["prediction_id"]:
                raise InvalidInput("the prediction_id is empty")
            truths.append((row["prediction_id"], check_label(row["true_label"])))
        except InvalidInput as error:
            faults.append(f"line {line}: {error.message}")
    if faults or not truths:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise InvalidInput(
            f"{path.name}: {'; '.join(faults[:_SHOWN]) or 'there is no row below the names of the columns'}{more}",
            hint="Each row is a prediction_id and a true_label; nothing was joined.",
        )
    return truths


def join_truths(
    predictions: PredictionLog, truths: Iterable[tuple[str, str]], *, now: datetime, dry_run: bool
) -> dict[str, Any]:
    """Join what can be joined; the rest comes back by name. Joining the same truth again changes nothing."""
    joined, unchanged, unknown = 0, 0, []
    for prediction_id, truth in truths:
        try:
            if dry_run:
                predictions.require(prediction_id)
                changed = predictions.truth(prediction_id) != truth
            else:
                changed = predictions.add_outcome(Outcome(prediction_id=prediction_id, truth=truth, told_at=now))
        except NotFound:
            unknown.append(prediction_id)
        else:
            joined, unchanged = joined + changed, unchanged + (not changed)
    return {"joined": joined, "unchanged": unchanged, "unknown": unknown, "dry_run": dry_run}
