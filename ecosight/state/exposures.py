"""What happened to each request of a rollout: written on the path of every request, read by whoever decides."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, select

from ecosight.rollouts import Exposure
from ecosight.state.database import Database
from ecosight.state.schema import exposures, outcomes
from ecosight.state.spooled import SpooledTable

__all__ = ["ExposureLog", "Exposures"]

REREAD = 2_000
"""Rows before the cursor that are read again: on PostgreSQL a smaller number may be committed after a larger one."""
_FIELDS = tuple(Exposure.__dataclass_fields__)
_COLUMNS = [exposures.c[name] for name in _FIELDS]


class ExposureLog:
    """Takes exposures; never waits for the database. Thread-safe; owns a spool file and one daemon thread.

    Raises: Unavailable: the spool folder cannot be written.
    """

    def __init__(self, database: Database, spool_folder: Path) -> None:
        self._rows = SpooledTable(database, exposures, moment="at", spool_folder=spool_folder)

    def append(self, exposure: Exposure) -> None:
        """Once this returns, a kill -9 cannot take it away. Raises: Unavailable: the spool's disk is full."""
        row = {name: getattr(exposure, name) for name in _FIELDS}
        self._rows.append({**row, "at": exposure.at.isoformat()})

    def flush(self) -> None:
        """Bring everything spooled into the database. Raises: Unavailable."""
        self._rows.flush()

    def close(self) -> None:
        self._rows.close()


class Exposures:
    """Reads them. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, rollout_id: str, cursor: int, limit: int = 5_000) -> tuple[list[Exposure], int]:
        """The next exposures of a rollout, and some that were given before: whoever counts them knows their ids.

        Args:
            cursor: what the last call returned; 0 begins.
        Returns: at most ``limit`` new ones behind the repeated ones, and the new cursor.
        """
        own = select(exposures.c.arrival, *_COLUMNS).where(exposures.c.rollout_id == rollout_id)
        again = own.where(exposures.c.arrival.between(cursor - REREAD, cursor)).order_by(exposures.c.arrival)
        new = own.where(exposures.c.arrival > cursor).order_by(exposures.c.arrival).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(again).all() if cursor else []
            fresh = connection.execute(new).all()
        found = [Exposure(**dict(zip(_FIELDS, row[1:], strict=True))) for row in (*rows, *fresh)]
        return found, fresh[-1][0] if fresh else cursor

    def truths(self, rollout_id: str) -> list[tuple[str, str]]:
        """(prediction id, truth) of all labelled answers of a rollout, as they are known now."""
        joined = outcomes.join(exposures, exposures.c.prediction_id == outcomes.c.prediction_id)
        query = select(outcomes.c.prediction_id, outcomes.c.truth).select_from(joined).distinct()
        with self._database.read() as connection:
            rows = connection.execute(query.where(exposures.c.rollout_id == rollout_id)).all()
        return [(row[0], row[1]) for row in rows]

    def failed(self, rollout_id: str, arm: str, limit: int = 50) -> list[Exposure]:
        """The newest requests that an arm failed."""
        query = select(*_COLUMNS).where(
            exposures.c.rollout_id == rollout_id, exposures.c.intended == arm, exposures.c.fault != ""
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(exposures.c.arrival.desc()).limit(limit)).all()
        return [Exposure(**dict(zip(_FIELDS, row, strict=True))) for row in rows]

    def last_answer(self, rollout_id: str, arm: str) -> Exposure | None:
        """The last answer of an arm that a client got."""
        query = select(*_COLUMNS).where(exposures.c.rollout_id == rollout_id, exposures.c.answered == arm)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(exposures.c.at.desc()).limit(1)).first()
        return None if row is None else Exposure(**dict(zip(_FIELDS, row, strict=True)))

    def forget(self, rollout_id: str) -> int:
        """Delete those of a rollout that nobody will look at again. Returns how many there were."""
        with self._database.begin() as connection:
            return connection.execute(delete(exposures).where(exposures.c.rollout_id == rollout_id)).rowcount
