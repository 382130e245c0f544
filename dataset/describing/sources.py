"""Owns what the store of samples knows beyond a version: how each sample came in, and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataset.storing.rows import hex_of, keys_of, keys_of_hex, rows_at
from ecosight.values import Annotation

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ecosight.state.database import Database

__all__ = ["MOST_MEASURED", "SOURCES", "StoreFacts", "read_statements", "read_store_facts"]

MOST_MEASURED = 100_000
"""Of more samples than this, numbers are read of so many only: the first by digest, which is as good as by lot."""
SOURCES: Mapping[str, str] = {
    "file": "came in as a file, with this label",
    "upload": "was uploaded, with this label",
    "annotators": "several people agreed on it",
    "corrected": "was changed after the sample came in; by whom is not recorded",
    "unknown": "the sample is not in this project's store (pulled or merged from elsewhere)",
}
_ORIGINS = {"ingest": "file", "upload": "upload"}
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """Facts of a version's samples.

    Attributes:
        sources: string (n,), where each row's label is from, one of ``SOURCES``.
        measured: name -> float64 (m,), numbers that the modality found in the samples; NaN where it did not.
        asked: of how many samples the numbers were read, m.
    """

    sources: pa.Array
    measured: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    asked: int = 0


def read_store_facts(entries: pa.Table, database: Database, *, most: int = MOST_MEASURED) -> StoreFacts:
    """Read the facts of a version's rows, which are in order of the sample id. Raises: Unavailable, IntegrityError."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from sqlalchemy import select

    from ecosight.state.schema import samples

    keys = keys_of(entries)
    origins: NDArray[np.int8] = np.zeros(len(keys), np.int8)
    names = ["unknown", *dict.fromkeys(_ORIGINS.values())]
    same = np.zeros(len(keys), bool)
    labels = entries.column("label").to_pylist()
    asked = min(len(keys), most)
    measured: dict[str, NDArray[np.float64]] = {}
    with database.read() as connection:
        rows = connection.execute(select(samples.c.id, samples.c.origin, samples.c.label))
        for some in rows.partitions(_BATCH):
            places = rows_at(keys, keys_of_hex(row[0] for row in some)).tolist()
            for place, (_, origin, label) in zip(places, some, strict=True):
                if place >= 0:
                    origins[place] = names.index(_ORIGINS.get(origin, "unknown"))
                    same[place] = label == labels[place]
        if asked:
            last = hex_of(keys[asked - 1 : asked])[0]
            details = connection.execute(select(samples.c.id, samples.c.details).where(samples.c.id <= last))
            for part in details.partitions(_BATCH):
                places = rows_at(keys, keys_of_hex(row[0] for row in part)).tolist()
                for place, (_, facts) in zip(places, part, strict=True):
                    if place >= 0:
                        for name, number in _numbers(facts):
                            measured.setdefault(name, np.full(asked, np.nan))[place] = number
    sources = pa.array(names).take(pa.array(origins))
    sources = pc.if_else(pa.array((origins > 0) & ~same), "corrected", sources)
    several = pc.greater(pc.fill_null(entries.column("annotators").combine_chunks(), 1), 1)
    return StoreFacts(sources=pc.if_else(several, "annotators", sources), measured=measured, asked=asked)


def _numbers(details: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in details.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, float(value)


def read_statements(entries: pa.Table, database: Database) -> list[Annotation]:
    """What people said, with their name, about answers that were given for samples of a version.

    The votes behind a label of a version are not kept, only how many people agreed; these statements are all that
    is known of who said what. Raises: Unavailable, IntegrityError.
    """
    from sqlalchemy import select

    from ecosight.state.schema import outcomes, predictions

    keys = keys_of(entries)
    columns = (predictions.c.sample_id, outcomes.c.truth, outcomes.c.annotator, outcomes.c.told_at)
    joined = outcomes.join(predictions, outcomes.c.prediction_id == predictions.c.id)
    query = select(*columns).select_from(joined).where(outcomes.c.annotator != "")
    found: list[Annotation] = []
    with database.read() as connection:
        for some in connection.execute(query).partitions(_BATCH):
            places = rows_at(keys, keys_of_hex(row[0] for row in some)).tolist()
            found += [
                Annotation(sample_id=sample_id, label=truth, annotator=annotator, made_at=told_at)
                for place, (sample_id, truth, annotator, told_at) in zip(places, some, strict=True)
                if place >= 0
            ]
    return found
