"""What happened to each request of a rollout: written on the path of every request, read by whoever decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, select

from ecosight.rollouts import Exposure
from ecosight.state.database import Database
from ecosight.state.schema import exposures, outcomes, rollouts
from ecosight.state.spooled import SpooledTable

__all__ = ["ExposureLog", "Exposures", "TruthCursor"]

PRUNE_ROWS = 5_000
"""Deleted in one transaction: a few milliseconds in which others wait to write."""
_FIELDS = tuple(Exposure.__dataclass_fields__)
_COLUMNS = tuple(exposures.c[name] for name in _FIELDS)

# Made once: putting a statement together takes longer than a look that finds nothing new.
_ROLLOUT = exposures.c.rollout_id == bindparam("rollout")
_SINCE = (
    select(exposures.c.arrival, *_COLUMNS)
    .where(_ROLLOUT, exposures.c.arrival > bindparam("cursor"))
    .order_by(exposures.c.arrival)
    .limit(bindparam("most"))
)
_LAST = select(
    select(func.coalesce(func.max(outcomes.c.change), 0)).scalar_subquery(),
    select(func.coalesce(func.max(exposures.c.arrival), 0)).where(_ROLLOUT).scalar_subquery(),
)
_TRUTHS = select(outcomes.c.prediction_id, outcomes.c.truth)
_SAME = exposures.c.prediction_id == outcomes.c.prediction_id
_LABELLED = _TRUTHS.select_from(exposures.join(outcomes, _SAME)).where(_ROLLOUT)
"""From the exposures to their truths."""
_LABELLED_SINCE = _LABELLED.where(exposures.c.arrival > bindparam("cursor"))
_TOLD_SINCE = _TRUTHS.where(select(1).where(_SAME, _ROLLOUT).exists(), outcomes.c.change > bindparam("cursor"))
"""From the truths to their exposures: EXISTS, so that the few new truths are looked up, not all exposures."""

TruthCursor = tuple[int, int]
"""The last outcome and the last exposure that were looked at."""


class ExposureLog:
    """Takes exposures; never waits for the database. Thread-safe; owns a spool file and one daemon thread.

    Raises: Unavailable: the spool folder cannot be written.
    """

    def __init__(self, database: Database, spool_folder: Path) -> None:
        self._rows = SpooledTable(database, exposures, moment="at", spool_folder=spool_folder)

    def append(self, exposure: Exposure) -> None:
        """Once this returns, a kill -9 cannot take it away. Raises: Unavailable: the spool's disk is full."""
        self._rows.append(exposure)

    def flush(self) -> None:
        """Bring everything spooled into the database. Raises: Unavailable: all of it stays spooled."""
        self._rows.flush()

    def close(self) -> None:
        """Drain once more; what the database does not take stays spooled."""
        self._rows.close()


class Exposures:
    """Reads them. Thread-safe. Every method raises Unavailable when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, rollout_id: str, cursor: int, limit: int = 5_000) -> tuple[list[Exposure], int]:
        """The next exposures of a rollout, in the order in which they arrived; none is left out.

        Args:
            cursor: what the last call returned; 0 begins.
        Returns: at most ``limit``, and the new cursor: the old one when there are none.
        """
        with self._database.read() as connection:
            rows = connection.execute(_SINCE, {"rollout": rollout_id, "cursor": cursor, "most": limit}).all()
        return [Exposure(**dict(zip(_FIELDS, row[1:], strict=True))) for row in rows], rows[-1][0] if rows else cursor

    def is_at(self, cursor: int, exposure_id: str) -> bool:
        """Whether the last exposure before a cursor is this one still; not so in a database that was put back."""
        query = select(exposures.c.id).where(exposures.c.arrival == cursor)
        with self._database.read() as connection:
            return connection.execute(query).scalar() == exposure_id

    def truths(self, rollout_id: str) -> list[tuple[str, str]]:
        """(prediction id, truth) of all labelled answers of a rollout, as they are known now."""
        return self.truths_since(rollout_id, None)[0]

    def truths_since(self, rollout_id: str, cursor: TruthCursor | None) -> tuple[list[tuple[str, str]], TruthCursor]:
        """(prediction id, truth) of the answers of a rollout that were labelled, or labelled anew, since the last call.

        Args:
            cursor: what the last call returned; None gives all that are known now.
        Returns: the truths, some of them perhaps once more, and the new cursor.
        """
        found: dict[str, str] = {}
        rollout = {"rollout": rollout_id}
        with self._database.read() as connection:
            # First of all: what comes between this look and the next statement is given again next time.
            change, arrival = connection.execute(_LAST, rollout).one()
            if cursor is None:
                found.update(_pairs(connection, _LABELLED, rollout))
            else:
                # A truth may come before its exposure does, by another machine's spool; so both sides are asked.
                found.update(_pairs(connection, _LABELLED_SINCE, {**rollout, "cursor": cursor[1]}))
                found.update(_pairs(connection, _TOLD_SINCE, {**rollout, "cursor": cursor[0]}))
        return list(found.items()), (change, arrival)

    def failed(self, rollout_id: str, arm: str, limit: int = 50) -> list[Exposure]:
        """The newest requests that an arm failed."""
        mine = _of(rollout_id) & (exposures.c.intended == arm) & (exposures.c.fault != "")
        return self._all(select(*_COLUMNS).where(mine).order_by(exposures.c.arrival.desc()).limit(limit))

    def last_answer(self, rollout_id: str, arm: str) -> Exposure | None:
        """The last answer of an arm that a client got."""
        mine = _of(rollout_id) & (exposures.c.answered == arm)
        found = self._all(select(*_COLUMNS).where(mine).order_by(exposures.c.at.desc()).limit(1))
        return found[0] if found else None

    def counts(self, rollout_id: str, arm: str) -> tuple[int, int]:
        """Requests and distinct keys that an arm was meant to answer."""
        mine = _of(rollout_id) & (exposures.c.intended == arm)
        query = select(func.count(), func.count(exposures.c.key.distinct())).where(mine)
        with self._database.read() as connection:
            requests, keys = connection.execute(query).one()
        return requests, keys

    def prune(self, before: datetime, *, most: int | None = None) -> int:
        """Delete what is older, but nothing of a rollout that is not finished: decisions still rest on it.

        Args:
            most: stop after about so many; None: all.
        Returns: how many there were. The decisions keep the counts that were made of them.
        """
        unfinished = select(rollouts.c.id).where(rollouts.c.finished_at.is_(None))
        old = (exposures.c.at < before) & exposures.c.rollout_id.not_in(unfinished)
        few = select(exposures.c.arrival).where(old).order_by(exposures.c.arrival).limit(PRUNE_ROWS).scalar_subquery()
        pruned = 0
        while True:
            with self._database.begin() as connection:
                gone = connection.execute(delete(exposures).where(exposures.c.arrival.in_(few))).rowcount
            pruned += gone
            if gone < PRUNE_ROWS or (most is not None and pruned >= most):
                return pruned

    def _all(self, query: Select[Any]) -> list[Exposure]:
        with self._database.read() as connection:
            return [Exposure(**dict(zip(_FIELDS, row, strict=True))) for row in connection.execute(query).all()]


def _of(rollout_id: str) -> ColumnElement[bool]:
    return exposures.c.rollout_id == rollout_id


def _pairs(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    return ((row[0], row[1]) for row in connection.execute(query, values))
