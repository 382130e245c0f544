"""Incidents: models that were taken back. An incident latches the model's digest until a person unlatches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update

from ecosight.errors import Conflict, NotFound
from ecosight.rollouts import Incident
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.documents import incident_from, plain
from ecosight.state.schema import incidents

__all__ = ["Incidents"]


class Incidents:
    """Thread-safe, and safe across processes: writes are compare-and-set on the revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, incident: Incident) -> None:
        """Raises: Conflict: there is one of this id."""
        row = {"id": incident.id, "rollout_id": incident.rollout_id, "digest": incident.model.digest}
        with self._database.begin() as connection:
            if not insert_or_ignore(connection, incidents, {**row, **_columns(incident)}):
                raise Conflict(f"incident {incident.id} is there already")

    def save(self, incident: Incident, expected_revision: int) -> Incident:
        """Returns it with its new revision. Raises: Conflict: somebody else wrote it since."""
        saved = replace(incident, revision=expected_revision + 1)
        mine = (incidents.c.id == incident.id) & (incidents.c.revision == expected_revision)
        with self._database.begin() as connection:
            if connection.execute(update(incidents).where(mine).values(**_columns(saved))).rowcount != 1:
                raise Conflict(f"incident {incident.id} was changed by another", hint="Look at it again.")
        return saved

    def get(self, incident_id: str) -> Incident | None:
        return self._first(incidents.c.id == incident_id)

    def list(self, limit: int = 20) -> list[Incident]:
        """Newest first."""
        query = select(incidents.c.document).order_by(incidents.c.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            return [incident_from(document) for document in connection.execute(query).scalars()]

    def of(self, digest: str) -> Sequence[Incident]:
        """All incidents of these bytes, newest first: whether they may be tried again follows from them."""
        query = select(incidents.c.document).where(incidents.c.digest == digest).order_by(incidents.c.arrival.desc())
        with self._database.read() as connection:
            return [incident_from(document) for document in connection.execute(query).scalars()]

    def unlatch(self, incident_id: str, by: str) -> Incident:
        """Let the model be tried again. Raises: NotFound."""
        while True:
            incident = self.get(incident_id)
            if incident is None:
                raise NotFound(
                    f"there is no incident {incident_id!r}", hint="`ecosight rollback incidents` lists them."
                )
            if incident.unlatched_by:
                return incident
            try:
                return self.save(replace(incident, unlatched_by=by), incident.revision)
            except Conflict:
                continue

    def _first(self, condition: Any) -> Incident | None:
        query = select(incidents.c.document).where(condition).order_by(incidents.c.arrival.desc()).limit(1)
        with self._database.read() as connection:
            document = connection.execute(query).scalar()
        return None if document is None else incident_from(document)


def _columns(incident: Incident) -> dict[str, Any]:
    return {"unlatched_by": incident.unlatched_by, "revision": incident.revision, "document": plain(incident)}
