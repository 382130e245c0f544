"""Owns finding what is on two sides among rows that changed: groups, near-duplicates, and cuts in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dataset.parting.group_parts import group_names, group_parts
from dataset.parting.guards import Violation
from dataset.parting.schemes import part_at
from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import hex_of, keys_of, keys_of_hex
from dataset.storing.snapshots import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["torn_groups", "torn_pairs", "wrong_times"]


def torn_groups(rows: pa.Table, groups: ChunkedTable) -> list[Violation]:
    """Groups of which one of these samples is not where the group is."""
    import pyarrow.compute as pc

    torn = group_names(rows).filter(pc.not_equal(rows.column("part"), group_parts(groups, rows)))
    return [Violation(rule="group", what=name) for name in pc.unique(torn).to_pylist()]


def torn_pairs(snapshot: Snapshot, pairs: list[tuple[str, str]]) -> list[Violation]:
    """Near-duplicates with different parts."""
    if not pairs:
        return []
    found = snapshot.entries.lookup(keys_of_hex(sorted({each for pair in pairs for each in pair})))
    part = dict(zip(hex_of(keys_of(found)), found.column("part").to_pylist(), strict=True))
    return [
        Violation(rule="near-duplicates", what=f"{one} {two}")
        for one, two in pairs
        if one in part and two in part and part[one] != part[two]
    ]


def wrong_times(rows: pa.Table, scheme: Mapping[str, object]) -> list[Violation]:
    """Groups of which a changed sample was captured when another part has its turn."""
    import pyarrow as pa

    if scheme["by"] != "time" or "cuts" not in scheme or len(rows) == 0:
        return []
    at = rows.column("captured_at").cast(pa.int64()).to_pylist()
    names, parts = group_names(rows).to_pylist(), rows.column("part").to_pylist()
    wrong = {
        name
        for name, part, moment in zip(names, parts, at, strict=True)
        if moment is not None and part_at(scheme, moment) != part
    }
    return [Violation(rule="time", what=name) for name in sorted(wrong)]
