"""What the server processes last said about themselves."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from ecosight.rollouts import ServerReport
from ecosight.state.database import Database, insert_into
from ecosight.state.schema import servers

__all__ = ["Servers"]

FORGOTTEN_AFTER = timedelta(days=2)
"""Longer than a clock may be wrong: a server with a clock that runs ahead must not forget the living."""


class Servers:
    """Thread-safe, and safe across processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, report: ServerReport) -> None:
        """Replace what this server said before; servers that died days ago are forgotten. Raises: Unavailable."""
        row = {name: getattr(report, name) for name in ServerReport.__dataclass_fields__}
        row |= {"loaded": dict(report.loaded), "arms": {name: dict(arm) for name, arm in report.arms.items()}}
        with self._database.begin() as connection:
            insert = insert_into(connection, servers).values(row)
            connection.execute(insert.on_conflict_do_update(index_elements=[servers.c.server_id], set_=row))
            connection.execute(delete(servers).where(servers.c.seen_at < report.seen_at - FORGOTTEN_AFTER))

    def live(self, now: datetime, within_s: float = 5.0) -> list[ServerReport]:
        """Those that were heard of lately, by age. The machines' clocks must agree to within so many seconds."""
        # From the future is not lately: it may have died before its clock was set right.
        lately = servers.c.seen_at.between(now - timedelta(seconds=within_s), now + timedelta(seconds=within_s))
        query = select(servers).where(lately).order_by(servers.c.started_at, servers.c.server_id)
        with self._database.read() as connection:
            return [ServerReport(**row) for row in connection.execute(query).mappings()]

    def forget(self, server_id: str) -> None:
        """A server that stops in order is not waited for."""
        with self._database.begin() as connection:
            connection.execute(delete(servers).where(servers.c.server_id == server_id))
