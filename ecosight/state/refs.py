"""Named pointers in the database, moved by compare-and-set."""

from __future__ import annotations

from sqlalchemy import func, select, update

from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.schema import refs

__all__ = ["DatabaseRefs"]


class DatabaseRefs:
    """A ``RefStore`` on the operational database. Thread-safe, and safe across processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(select(refs.c.target).where(refs.c.name == name)).scalar()

    def compare_and_set(self, name: str, expected: str | None, new: str) -> bool:
        """Point ``name`` to ``new`` if it still points to ``expected`` (None: does not exist)."""
        with self._database.begin() as connection:
            if expected is None:
                return insert_or_ignore(connection, refs, {"name": name, "target": new})
            move = update(refs).where(refs.c.name == name, refs.c.target == expected).values(target=new)
            return connection.execute(move).rowcount == 1

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin with the prefix, sorted by code point."""
        # Not LIKE: on SQLite it takes upper for lower case.
        begins = func.substr(refs.c.name, 1, len(prefix)) == prefix
        with self._database.read() as connection:
            return sorted(connection.execute(select(refs.c.name).where(begins)).scalars())
