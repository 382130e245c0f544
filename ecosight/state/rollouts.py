"""Rollouts and the decisions made about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from ecosight.errors import Conflict, NotFound
from ecosight.ports import Fence
from ecosight.rollouts import Decision, Rollout
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.documents import plain, rollout_from
from ecosight.state.schema import decisions, rollouts

__all__ = ["RolloutStore", "Unchanged"]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The right to write what was decided from a rollout's row: while one leads, and nobody wrote the row since."""

    fence: Fence
    rollout: Rollout

    @property
    def number(self) -> int:
        return self.fence.number

    def check(self, connection: Connection) -> None:
        """Called inside the transaction that writes. Raises: Conflict: another leads, or the row was changed."""
        self.fence.check(connection)
        revision = select(rollouts.c.revision).where(rollouts.c.id == self.rollout.id)
        if connection.execute(revision).scalar() != self.rollout.revision:
            raise Conflict(f"rollout {self.rollout.id} was changed by another", hint="Look at it again.")


class RolloutStore:
    """Thread-safe, and safe across processes: writes are compare-and-set on the revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, rollout: Rollout) -> None:
        """Raises: Conflict: an unfinished rollout of this model exists, or one of this id. Unavailable."""
        row = {"id": rollout.id, "model": rollout.champion.name, **_columns(rollout)}
        with self._database.begin() as connection:
            if insert_or_ignore(connection, rollouts, row):
                return
        other = self.active()
        if other is None or other.id == rollout.id:
            raise Conflict(f"there is a rollout {rollout.id} already", rollout_id=rollout.id)
        raise Conflict(
            f"rollout {other.id} is under way",
            hint="Wait for its end, or `ecosight rollout abort` it.",
            rollout_id=other.id,
        )

    def get(self, rollout_id: str) -> Rollout | None:
        return self._first(rollouts.c.id == rollout_id)

    def active(self) -> Rollout | None:
        """The unfinished rollout, if there is one."""
        return self._first(rollouts.c.finished_at.is_(None))

    def list(self, limit: int = 20) -> list[Rollout]:
        """Newest first."""
        query = select(rollouts.c.document).order_by(rollouts.c.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            return [rollout_from(document) for document in connection.execute(query).scalars()]

    def save(self, rollout: Rollout, expected_revision: int, fence: Fence | None = None) -> Rollout:
        """Write a changed rollout. Returns it with its new revision.

        Raises: Conflict: somebody else wrote it since, or the fence is broken. NotFound: there is none of this id.
        """
        saved = replace(rollout, revision=expected_revision + 1)
        mine = (rollouts.c.id == rollout.id) & (rollouts.c.revision == expected_revision)
        with self._database.begin() as connection:
            if fence is not None:
                fence.check(connection)
            if connection.execute(update(rollouts).where(mine).values(**_columns(saved))).rowcount == 1:
                return saved
        if self.get(rollout.id) is None:
            raise NotFound(f"there is no rollout {rollout.id!r}")
        raise Conflict(f"rollout {rollout.id} was changed by another", hint="Look at it again.")

    def record(self, decision: Decision, fence: Fence | None = None) -> None:
        """Once for each id. Raises: Conflict: the fence is broken. Unavailable."""
        row = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
        row |= {name: dict(row[name]) for name in ("state", "evidence", "verdict")}
        with self._database.begin() as connection:
            if fence is not None:
                fence.check(connection)
            insert_or_ignore(connection, decisions, row)

    def decisions(self, rollout_id: str, limit: int = 100) -> Sequence[Decision]:
        """Newest first."""
        own = select(decisions).where(decisions.c.rollout_id == rollout_id)
        with self._database.read() as connection:
            rows = connection.execute(own.order_by(decisions.c.arrival.desc()).limit(limit)).mappings()
            return [_decision(row) for row in rows]

    def decision(self, decision_id: str) -> Decision | None:
        with self._database.read() as connection:
            row = connection.execute(select(decisions).where(decisions.c.id == decision_id)).mappings().first()
        return None if row is None else _decision(row)

    def _first(self, condition: Any) -> Rollout | None:
        query = select(rollouts.c.document).where(condition).order_by(rollouts.c.arrival.desc()).limit(1)
        with self._database.read() as connection:
            document = connection.execute(query).scalar()
        return None if document is None else rollout_from(document)


def _columns(rollout: Rollout) -> dict[str, Any]:
    return {
        "state": rollout.state,
        "finished_at": rollout.finished_at,
        "revision": rollout.revision,
        "document": plain(rollout),
    }


def _decision(row: RowMapping) -> Decision:
    return Decision(**{name: row[name] for name in Decision.__dataclass_fields__})
