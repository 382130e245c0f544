"""A transaction that holds what others wait for: how long the database lets it pause, and the others wait.

A process that is stopped in the middle, or whose line broke, would hold up everybody: PostgreSQL ends its session.
SQLite has no server that could; there, everybody runs on one machine.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

__all__ = ["hold_briefly"]

PAUSE_MS = 3_000
WAIT_MS = 8_000

_LIMITS = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :pause, true), set_config('lock_timeout', :wait, true)"
)


def hold_briefly(connection: Connection) -> None:
    """Limit this transaction, before it takes its lock. What breaks a limit becomes Unavailable."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LIMITS, {"pause": str(PAUSE_MS), "wait": str(WAIT_MS)})
