"""The log of all predictions, and the truths told about them.

``append`` is on the path of every request: it writes one line to the process's spool and leaves the
database to a thread, so a slow, locked or unreachable database delays no answer and loses no record.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from sqlalchemy import RowMapping, func, select

from ecosight.errors import NotFound
from ecosight.ids import age_s
from ecosight.state.database import Database, insert_into
from ecosight.state.ordering import take_turn
from ecosight.state.schema import outcomes, predictions
from ecosight.state.spooled import SpooledTable
from ecosight.values import Outcome, Prediction

__all__ = ["PredictionLog"]

DRAIN_EVERY_S = 1.0
"""No decision waits for predictions, so they take fewer commits than exposures."""
ELSEWHERE_S = 2 * DRAIN_EVERY_S
"""By then a machine has brought a prediction to the database, unless that is away for it."""
FRESH_S = 10.0
"""The clocks of machines may differ by some of it."""
LOOK_EVERY_S = 0.1
MOST_WAITING = 4
"""More at once do not wait: a process has some 40 threads for requests, and ids that nobody made must not fill them."""


class PredictionLog:
    """Predictions and outcomes. Thread-safe; owns a spool file in the folder and one daemon thread.

    Args:
        spool_folder: on a local disk, shared by the processes of this machine.
    Raises: Unavailable: the spool folder cannot be written.
    """

    def __init__(self, database: Database, spool_folder: Path) -> None:
        self._database = database
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._rows = SpooledTable(
            database, predictions, moment="made_at", spool_folder=spool_folder, drain_every_s=DRAIN_EVERY_S
        )

    def append(self, prediction: Prediction) -> None:
        """Record a prediction; once this returns, a kill -9 cannot take it away. Takes some 5 µs.

        Raises: Unavailable: the spool's disk is full.
        """
        self._rows.append(prediction)

    def flush(self) -> None:
        """Bring everything spooled so far, here and by dead processes, into the database.

        Raises: Unavailable: the database does not take it; all of it stays spooled.
        """
        self._rows.flush()

    def close(self) -> None:
        """Drain once more; what the database does not take stays spooled."""
        self._rows.close()

    def get(self, prediction_id: str) -> Prediction | None:
        """The prediction, also when it is only spooled yet: by processes of this machine, or, where its id is so fresh
        that this may be so, by another machine. That takes at most ``ELSEWHERE_S``."""
        row = self._find(prediction_id)
        if row is None:
            self.flush()
            row = self._find(prediction_id)
        if row is None:
            self._rows.flush_others()
            row = self._find(prediction_id)
        made_s_ago = age_s(prediction_id)
        if row is None and made_s_ago is not None and abs(made_s_ago) < FRESH_S:
            row = self._await(prediction_id)
        return None if row is None else _prediction(row)

    def require(self, prediction_id: str) -> Prediction:
        """The prediction. Raises: NotFound: there is no such prediction."""
        found = self.get(prediction_id)
        if found is None:
            raise NotFound(f"there is no prediction {prediction_id!r}", hint="Give the prediction_id of an answer.")
        return found

    def add_outcome(self, outcome: Outcome) -> bool:
        """Join the truth to its prediction. What was told last wins, in whatever order it arrives.

        Returns: False when it changes nothing: the same truth again, or one told before the known one.
        Raises: NotFound: there is no such prediction.
        """
        self.require(outcome.prediction_id)
        row: dict[str, object] = {
            "prediction_id": outcome.prediction_id,
            "truth": outcome.truth,
            "told_at": outcome.told_at,
            "annotator": outcome.annotator,
        }
        last = select(func.coalesce(func.max(outcomes.c.change), 0))
        with self._database.begin() as connection:
            take_turn(connection, outcomes)
            row["change"] = connection.execute(last).scalar_one() + 1
            insert = insert_into(connection, outcomes).values(row)
            new = insert.excluded
            changed = insert.on_conflict_do_update(
                index_elements=[outcomes.c.prediction_id],
                set_={name: new[name] for name in ("truth", "told_at", "annotator", "change")},
                where=(outcomes.c.truth != new.truth) & (outcomes.c.told_at <= new.told_at),
            )
            return connection.execute(changed).rowcount == 1

    def truth(self, prediction_id: str) -> str | None:
        """What was told last of a prediction; None: nothing."""
        wanted = select(outcomes.c.truth).where(outcomes.c.prediction_id == prediction_id)
        with self._database.read() as connection:
            found: str | None = connection.execute(wanted).scalar_one_or_none()
        return found

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

    def _await(self, prediction_id: str) -> RowMapping | None:
        """The row of one that another machine may be about to bring."""
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            row, until = None, time.monotonic() + ELSEWHERE_S
            while row is None and time.monotonic() < until:
                time.sleep(LOOK_EVERY_S)
                row = self._find(prediction_id)
            return row
        finally:
            self._waiting.release()

    def _find(self, prediction_id: str) -> RowMapping | None:
        with self._database.read() as connection:
            return connection.execute(select(predictions).where(predictions.c.id == prediction_id)).mappings().first()


def _prediction(row: RowMapping) -> Prediction:
    return Prediction(**row)
