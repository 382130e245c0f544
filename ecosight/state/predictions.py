"""The log of all predictions, and the truths told about them.

``append`` is on the path of every request: it writes one line to the process's spool and leaves the
database to a thread, so a slow, locked or unreachable database delays no answer and loses no record.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.exc import DataError, IntegrityError

from ecosight.errors import EcosightError, NotFound, Unavailable
from ecosight.logs import get_logger
from ecosight.state.database import Database, insert_into, insert_many_or_ignore, insert_or_ignore
from ecosight.state.schema import outcomes, predictions
from ecosight.state.spool import Spool
from ecosight.values import Outcome, Prediction

__all__ = ["PredictionLog"]

DRAIN_EVERY_S = 0.2
SLOWEST_RETRY_S = 5.0

_encode = json.JSONEncoder(separators=(",", ":")).encode


class PredictionLog:
    """Predictions and outcomes. Thread-safe; owns a spool file in the folder and one daemon thread.

    Args:
        spool_folder: on a local disk, shared by the processes of this machine.
    Raises: Unavailable: the spool folder cannot be written.
    """

    def __init__(self, database: Database, spool_folder: Path) -> None:
        self._database = database
        self._spool = Spool(spool_folder, "predictions")
        self._refused = spool_folder / "predictions.refused"
        self._log = get_logger("predictions")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._drain_forever, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, prediction: Prediction) -> None:
        """Record a prediction; once this returns, a kill -9 cannot take it away. Takes some 10 µs.

        Raises: Unavailable: the spool's disk is full.
        """
        row = {
            "id": prediction.id,
            "sample_id": prediction.sample_id,
            "model_version": prediction.model_version,
            "model_digest": prediction.model_digest,
            "variant": prediction.variant,
            "key": prediction.key,
            "label": prediction.label,
            "probabilities": {label: float(value) for label, value in prediction.probabilities.items()},
            "latency_ms": float(prediction.latency_ms),
            "made_at": prediction.made_at.isoformat(),
        }
        self._spool.append(_encode(row).encode() + b"\n")

    def flush(self) -> None:
        """Bring everything spooled so far, here and by dead processes, into the database.

        Raises: Unavailable: the database does not take it; all of it stays spooled.
        """
        self._spool.drain(self._insert)

    def close(self) -> None:
        """Stop the thread and drain once more; what the database does not take stays spooled."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        try:
            self.flush()
        except EcosightError as error:
            self._log.warning("predictions stay spooled", error=error.message)
        self._spool.close()

    def get(self, prediction_id: str) -> Prediction | None:
        """The prediction, also when this or another process of this machine has only spooled it yet."""
        row = self._find(prediction_id)
        if row is None:
            self.flush()
            row = self._find(prediction_id)
        if row is None:
            self._spool.peek_others(self._insert)
            row = self._find(prediction_id)
        return None if row is None else _prediction(row)

    def add_outcome(self, outcome: Outcome) -> bool:
        """Join the truth to its prediction. What was told last wins, in whatever order it arrives.

        Returns: False when it changes nothing: the same truth again, or one told before the known one.
        Raises: NotFound: there is no such prediction.
        """
        if self.get(outcome.prediction_id) is None:
            raise NotFound(
                f"there is no prediction {outcome.prediction_id!r}", hint="Give the prediction_id of an answer."
            )
        row = {
            "prediction_id": outcome.prediction_id,
            "truth": outcome.truth,
            "told_at": outcome.told_at,
            "annotator": outcome.annotator,
        }
        with self._database.begin() as connection:
            insert = insert_into(connection, outcomes).values(row)
            new = insert.excluded
            changed = insert.on_conflict_do_update(
                index_elements=[outcomes.c.prediction_id],
                set_={"truth": new.truth, "told_at": new.told_at, "annotator": new.annotator},
                where=(outcomes.c.truth != new.truth) & (outcomes.c.told_at <= new.told_at),
            )
            return connection.execute(changed).rowcount == 1

    def counts(self) -> dict[str, int]:
        """How many predictions there are, how many have an outcome, and how many of those were right."""
        self.flush()
        joined = outcomes.join(predictions, outcomes.c.prediction_id == predictions.c.id)
        right = select(func.count()).select_from(joined).where(predictions.c.label == outcomes.c.truth)
        with self._database.read() as connection:
            return {
                "predictions": connection.execute(select(func.count()).select_from(predictions)).scalar_one(),
                "outcomes": connection.execute(select(func.count()).select_from(outcomes)).scalar_one(),
                "correct": connection.execute(right).scalar_one(),
            }

    def _find(self, prediction_id: str) -> RowMapping | None:
        with self._database.read() as connection:
            return connection.execute(select(predictions).where(predictions.c.id == prediction_id)).mappings().first()

    def _drain_forever(self) -> None:
        pause = 0.0  # at once: a dead process may have left something
        while not self._closing.wait(pause):
            try:
                self.flush()
                pause = DRAIN_EVERY_S
            except Unavailable as error:
                pause = min(2 * max(pause, DRAIN_EVERY_S), SLOWEST_RETRY_S)
                self._log.warning("predictions wait in the spool", error=error.message, retry_in_s=pause)
            except Exception:  # the thread must outlive any surprise: the spool keeps what it could not drain
                pause = SLOWEST_RETRY_S
                self._log.exception("predictions wait in the spool")

    def _insert(self, lines: list[bytes]) -> None:
        rows = [row for line in lines if (row := self._row(line)) is not None]
        try:
            with self._database.begin() as connection:
                insert_many_or_ignore(connection, predictions, rows)
        except (DataError, IntegrityError):
            # One row that the database can never take must not hold up all others for ever.
            for row in rows:
                self._insert_alone(row)

    def _insert_alone(self, row: dict[str, Any]) -> None:
        try:
            with self._database.begin() as connection:
                insert_or_ignore(connection, predictions, row)
        except (DataError, IntegrityError) as error:
            self._set_aside(json.dumps(row, default=str).encode() + b"\n", str(error.orig))

    def _row(self, line: bytes) -> dict[str, Any] | None:
        try:
            row: dict[str, Any] = json.loads(line)
            made_at = datetime.fromisoformat(row["made_at"])
            if made_at.tzinfo is None:
                raise ValueError("a time without a zone")
            return {**{name: row[name] for name in predictions.c.keys()}, "made_at": made_at}  # noqa: SIM118
        except (ValueError, KeyError, TypeError) as error:
            self._set_aside(line, str(error))
            return None

    def _set_aside(self, line: bytes, reason: str) -> None:
        with self._refused.open("ab") as file:
            file.write(line)
        self._log.error("a prediction cannot be stored and was set aside", file=str(self._refused), error=reason)


def _prediction(row: RowMapping) -> Prediction:
    return Prediction(**row)
