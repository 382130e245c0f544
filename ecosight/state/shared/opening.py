"""Opens what is shared through Redis."""

from __future__ import annotations

from dataclasses import dataclass

from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.state.database import Database
from ecosight.state.refs import DatabaseRefs
from ecosight.state.shared.line import Line
from ecosight.state.shared.reports import ReportBoard
from ecosight.state.shared.routing_board import RoutingBoard
from ecosight.state.shared.routings import SharedRoutings
from ecosight.state.shared.servers import SharedServers

__all__ = ["Shared", "open_shared"]

IDENTITY = "redis/identity"
"""The reference that holds the database's own name in Redis."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The stores that several machines share. Thread-safe."""

    routings: SharedRoutings
    servers: SharedServers
    line: Line

    def close(self) -> None:
        """End the connections to Redis; the database stays open."""
        self.routings.close()
        self.servers.close()
        self.line.close()


def open_shared(url: str, database: Database, clock: Clock) -> Shared:
    """Open the stores over one Redis. It need not be there yet: the database stands in until it is.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``; a password in it is never shown.
    Raises: ConfigError: not such a URL. Unavailable: the driver is not installed, or the database cannot be reached.
    """
    line = Line(url, clock)
    prefix = f"ecosight:{{{_identity(database)}}}"
    return Shared(
        SharedRoutings(database, RoutingBoard(line, prefix), clock),
        SharedServers(database, ReportBoard(line, prefix), clock),
        line,
    )


def _identity(database: Database) -> str:
    """Who this database is, drawn once and kept in it.

    Not made from its URL: machines may name one database in different ways, and must still meet in Redis.
    """
    refs = DatabaseRefs(database)
    while (known := refs.get(IDENTITY)) is None:
        refs.compare_and_set(IDENTITY, None, new_id("db"))
    return known
