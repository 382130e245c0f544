"""Owns the samples in which two versions differ, side by side: as ours, theirs and their common ancestors have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataset.merging.diffing import differing_rows
from dataset.storing.rows import keys_of, rows_at, same_rows
from dataset.storing.snapshots import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Side", "Sides"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """Rows of one version for the keys in question; null where it has none."""

    rows: pa.Table
    there: NDArray[np.bool_]

    @classmethod
    def of(cls, found: pa.Table, keys: NDArray[np.bytes_]) -> Side:
        import pyarrow as pa

        at = rows_at(keys_of(found), keys)
        return cls(rows=found.take(pa.array(at, mask=at < 0)), there=at >= 0)

    def same_label(self, other: Side) -> NDArray[np.bool_]:
        """Whether the labels are equal, or both are not there."""
        import pyarrow.compute as pc

        equal = pc.fill_null(pc.equal(self.rows.column("label"), other.rows.column("label")), False)
        flags: NDArray[np.bool_] = equal.to_numpy() | (~self.there & ~other.there)
        return flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides:
    """The samples in which the two differ, as each side and each base has them."""

    keys: NDArray[np.bytes_]
    bases: tuple[Side, ...]
    ours: Side
    theirs: Side

    @classmethod
    def of(cls, bases: Sequence[Snapshot], ours: Snapshot, theirs: Snapshot) -> Sides:
        import numpy as np

        one, two = differing_rows(ours.entries, theirs.entries)
        keys = np.union1d(keys_of(one), keys_of(two)).astype("S32")
        first, second = Side.of(one, keys), Side.of(two, keys)
        differ = ~same_rows(first.rows, second.rows, one.column_names)
        keys = keys[differ]
        return cls(
            keys=keys,
            bases=tuple(Side.of(base.entries.lookup(keys), keys) for base in bases),
            ours=Side(rows=first.rows.filter(differ), there=first.there[differ]),
            theirs=Side(rows=second.rows.filter(differ), there=second.there[differ]),
        )

    def unchanged(self, side: Side) -> NDArray[np.bool_]:
        """Where a side's label is that of a base; without bases, where it is not there."""
        import numpy as np

        if not self.bases:
            return ~side.there
        flags: NDArray[np.bool_] = np.logical_or.reduce([side.same_label(base) for base in self.bases])
        return flags
