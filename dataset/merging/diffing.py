"""Owns what two versions differ in: samples that came and went, labels and parts that changed.

Chunks with equal digests are never read, so the cost follows the changes and not the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import hex_of, keys_of, rows_at, same_rows
from dataset.storing.snapshots import count_parts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["DatasetDiff", "compare", "differing_rows"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetDiff:
    """What changed from one version to another, as rows in order of the sample id.

    Attributes:
        added, removed: rows of the later and of the earlier version.
        before, after: the rows that are in both and differ in any column, side by side.
    """

    added: pa.Table
    removed: pa.Table
    before: pa.Table
    after: pa.Table

    @property
    def is_empty(self) -> bool:
        return len(self.added) + len(self.removed) + len(self.after) == 0

    def changed(self, column: str) -> list[tuple[str, str, str]]:
        """(sample id, before, after) of every sample with another ``label``, ``part`` or ``group``."""
        differ = ~same_rows(self.before, self.after, [column])
        old, new = self.before.filter(differ), self.after.filter(differ)
        ids = hex_of(keys_of(new))
        return [
            (sample_id, str(one), str(two))
            for sample_id, one, two in zip(ids, old[column].to_pylist(), new[column].to_pylist(), strict=True)
        ]

    def as_dict(self, limit: int | None = None) -> dict[str, Any]:
        """A JSON object: counts, classes, and the samples themselves (at most ``limit`` of a kind)."""
        relabelled, moved = self.changed("label"), self.changed("part")
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "relabelled": len(relabelled),
            "moved": len(moved),
            "classes": _classes(self),
            "samples": {
                "added": _shown(self.added, limit),
                "removed": _shown(self.removed, limit),
                "relabelled": [_change(*row) for row in relabelled[:limit]],
                "moved": [_change(*row) for row in moved[:limit]],
            },
        }


def compare(before: ChunkedTable, after: ChunkedTable) -> DatasetDiff:
    """The difference of the entries of two versions. Raises: NotFound, IntegrityError: rows cannot be read."""
    old, new = differing_rows(before, after)
    old_keys, new_keys = keys_of(old), keys_of(new)
    at = rows_at(old_keys, new_keys)
    both = at >= 0
    one, two = old.take(at[both]), new.filter(both)
    differ = ~same_rows(one, two, new.column_names)
    return DatasetDiff(
        added=new.filter(~both),
        removed=old.filter(rows_at(new_keys, old_keys) < 0),
        before=one.filter(differ),
        after=two.filter(differ),
    )


def differing_rows(*tables: ChunkedTable) -> list[pa.Table]:
    """The rows of each table in those chunks in which not all are equal."""
    import numpy as np

    bits = max(table.bits for table in tables)
    aligned = [table.aligned(bits) for table in tables]
    chunks: NDArray[np.int64] = np.unique(np.concatenate([aligned[0].differing(each) for each in aligned]))
    return [table.read(chunks) for table in aligned]


def _classes(diff: DatasetDiff) -> dict[str, dict[str, int]]:
    """Label -> how many samples it gained and lost; a corrected label is a loss of one and a gain of another."""
    found: dict[str, dict[str, int]] = {}
    relabelled = ~same_rows(diff.before, diff.after, ["label"])
    for word, tables in (
        ("gained", (diff.added, diff.after.filter(relabelled))),
        ("lost", (diff.removed, diff.before.filter(relabelled))),
    ):
        for table in tables:
            for label, parts in count_parts(table).items():
                row = found.setdefault(label, {"gained": 0, "lost": 0})
                row[word] += sum(parts.values())
    return dict(sorted(found.items()))


def _shown(rows: pa.Table, limit: int | None) -> list[dict[str, Any]]:
    some = rows if limit is None else rows.slice(0, limit)
    columns = (some[name].to_pylist() for name in ("label", "part", "source"))
    return [
        {"sample_id": sample_id, "label": label, "part": part, "source": source}
        for sample_id, label, part, source in zip(hex_of(keys_of(some)), *columns, strict=True)
    ]


def _change(sample_id: str, before: str, after: str) -> dict[str, str]:
    return {"sample_id": sample_id, "before": before, "after": after}
