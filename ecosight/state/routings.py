"""The routing document and its history: one row an epoch. Writing the next epoch is the compare-and-set."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select

from ecosight.ports import Fence
from ecosight.rollouts import Routing
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.documents import plain, routing_from
from ecosight.state.schema import routings

__all__ = ["RoutingStore"]


_NEWEST = select(routings.c.epoch).order_by(routings.c.epoch.desc()).limit(1)
"""Made once: it is asked four times a second."""


class RoutingStore:
    """Thread-safe, and safe across processes and machines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> Routing | None:
        """The newest routing; None before the first. Raises: Unavailable."""
        return self._first(select(routings).order_by(routings.c.epoch.desc()).limit(1))

    def epoch(self) -> int:
        """The newest epoch, 0 before the first: cheaper than the document. Raises: Unavailable."""
        with self._database.read() as connection:
            return connection.execute(_NEWEST).scalar() or 0

    def move(self, routing: Routing, *, fence: Fence | None = None) -> bool:
        """Let this be the newest routing.

        Returns: False when its epoch was written by another, or is not the next one.
        Raises: Conflict: the fence is broken. Unavailable.
        """
        row = {
            "epoch": routing.epoch,
            "rollout_id": routing.rollout_id,
            "made_at": routing.made_at,
            "document": plain(routing),
        }
        with self._database.begin() as connection:
            if fence is not None:
                fence.check(connection)
            if (connection.execute(_NEWEST).scalar() or 0) != routing.epoch - 1:
                return False
            return insert_or_ignore(connection, routings, row)

    def at(self, moment: datetime) -> Routing | None:
        """What was in force then; None: before the first. Where a clock jumped: the highest epoch with such a time."""
        earlier = select(routings).where(routings.c.made_at <= moment)
        return self._first(earlier.order_by(routings.c.epoch.desc()).limit(1))

    def history(self, rollout_id: str | None = None, limit: int = 1_000) -> list[Routing]:
        """Oldest first: of one rollout, or the last ``limit`` of all."""
        query = select(routings).order_by(routings.c.epoch.desc()).limit(limit)
        if rollout_id is not None:
            query = query.where(routings.c.rollout_id == rollout_id)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [routing_from(row["document"]) for row in reversed(rows)]

    def _first(self, query: Select[tuple[object, ...]]) -> Routing | None:
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else routing_from(row["document"])
