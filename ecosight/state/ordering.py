"""Rows become visible in the order of their numbers, so that a reader who remembers the last number misses none.

PostgreSQL gives numbers out at once and shows rows when their transaction commits: a smaller number may appear after a
larger one. Here writers take turns from before the first number until after the commit. SQLite has one writer anyway.
"""

from __future__ import annotations

from zlib import crc32

from sqlalchemy import Connection, Table, text

from ecosight.state.patience import hold_briefly

__all__ = ["take_turn"]

_SPACE = 730_832  # any number that no other program uses for its advisory locks
_TURN = text("SELECT pg_advisory_xact_lock(:space, :table)")


def take_turn(connection: Connection, table: Table) -> None:
    """Be the only one who adds numbered rows to the table until this transaction ends."""
    if connection.dialect.name == "postgresql":
        hold_briefly(connection)
        connection.execute(_TURN, {"space": _SPACE, "table": crc32(table.name.encode()) & 0x7FFFFFFF})
