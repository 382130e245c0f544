"""The durable history of retrainings: one row a finished one, promoted, rejected or failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, select

from ecosight.clock import iso
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.schema import retrainings

__all__ = ["RetrainingLog", "RetrainingRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRecord:
    """What one retraining did.

    Attributes:
        reason: why it was started (a person's words, or the trigger's).
        dataset: the version for people, such as ``main@v3``; empty if it failed before there was one.
        sample_counts: accepted samples by label.
        new_samples: distinct recordings since the training before.
        accuracy: on the test part, measured on the registered bytes; None if it failed before.
        reasons: the gate's sentences.
        history: learning curves, metric -> one value an epoch (a value that was not finite is None).
        error: the error's dict, when the verdict is ``failed``.
    """

    job_id: str
    started_at: datetime
    finished_at: datetime
    reason: str
    verdict: Literal["promoted", "rejected", "failed"]
    dataset: str = ""
    dataset_version: int = 0
    dataset_digest: str = ""
    sample_counts: Mapping[str, int] = field(default_factory=dict)
    total_samples: int = 0
    new_samples: int = 0
    epochs_trained: int = 0
    accuracy: float | None = None
    macro_f1: float | None = None
    model_version: str | None = None
    model_digest: str | None = None
    run_id: str | None = None
    duration_s: float = 0.0
    reasons: Sequence[str] = ()
    history: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return asdict(self) | {"started_at": iso(self.started_at), "finished_at": iso(self.finished_at)}


class RetrainingLog:
    """The history. Thread-safe; writing a job's record again changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: RetrainingRecord) -> bool:
        """Write a record. Returns False when this job has one already; that one stays."""
        with self._database.begin() as connection:
            return insert_or_ignore(connection, retrainings, asdict(record))

    def latest(self) -> RetrainingRecord | None:
        found = self.history(limit=1)
        return found[0] if found else None

    def history(self, limit: int | None = None) -> list[RetrainingRecord]:
        """Records, last written first."""
        query = select(retrainings).order_by(retrainings.c.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> RetrainingRecord:
    return RetrainingRecord(**{name: value for name, value in row.items() if name != "arrival"})
