"""The rows of all accepted samples; their bytes are in the blob store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, func, select

from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.schema import samples
from ecosight.values import Sample

__all__ = ["SampleStore"]

_IDS_A_QUERY = 1000


class SampleStore:
    """Samples by content id, in the order of their arrival. Thread-safe, and safe across processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, sample: Sample, *, origin: str) -> bool:
        """Remember a sample whose bytes are stored already.

        Args:
            origin: how it came in, ``ingest`` or ``upload``.
        Returns: False when the id is known; nothing is changed then.
        """
        with self._database.begin() as connection:
            return insert_or_ignore(connection, samples, {**_row(sample), "origin": origin})

    def learn(self, sample_id: str, facts: Mapping[str, Any]) -> Sample | None:
        """Add details that a known sample does not have yet; what it has stays.

        Returns: the sample as it is now; None if it is not known.
        """
        with self._database.begin() as connection:
            wanted = samples.c.id == sample_id
            row = connection.execute(select(samples).where(wanted).with_for_update()).mappings().first()
            if row is None:
                return None
            details = {**facts, **row["details"]}
            if details != row["details"]:
                connection.execute(samples.update().where(wanted).values(details=details))
            return _sample({**row, "details": details})

    def get(self, sample_id: str) -> Sample | None:
        found = self.many([sample_id])
        return found[0] if found else None

    def many(self, sample_ids: Sequence[str]) -> list[Sample]:
        """The known ones among the ids, in the order of the ids."""
        known: dict[str, Sample] = {}
        with self._database.read() as connection:
            for start in range(0, len(sample_ids), _IDS_A_QUERY):
                wanted = samples.c.id.in_(sample_ids[start : start + _IDS_A_QUERY])
                for row in connection.execute(select(samples).where(wanted)).mappings():
                    known[row["id"]] = _sample(row)
        return [known[sample_id] for sample_id in sample_ids if sample_id in known]

    def all(self) -> list[Sample]:
        """Every sample, oldest arrival first."""
        query = select(samples).order_by(samples.c.arrival, samples.c.id)
        with self._database.read() as connection:
            return [_sample(row) for row in connection.execute(query).mappings()]

    def count(self) -> int:
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(samples)).scalar_one()

    def counts_by_label(self) -> dict[str, int]:
        """Labelled samples by label, labels sorted."""
        query = select(samples.c.label, func.count()).where(samples.c.label.is_not(None)).group_by(samples.c.label)
        with self._database.read() as connection:
            return dict(sorted((label, count) for label, count in connection.execute(query)))


def _row(sample: Sample) -> dict[str, Any]:
    return {
        "id": sample.id,
        "medium": sample.medium,
        "captured_at": sample.captured_at,
        "source": sample.source,
        "group": sample.group,
        "size_bytes": sample.size_bytes,
        "label": sample.label,
        "details": dict(sample.details),
    }


def _sample(row: RowMapping | Mapping[str, Any]) -> Sample:
    return Sample(
        id=row["id"],
        medium=row["medium"],
        captured_at=row["captured_at"],
        source=row["source"],
        group=row["group"],
        size_bytes=row["size_bytes"],
        label=row["label"],
        details=row["details"],
    )
