"""Owns the parts of groups in a merge: one side's change is taken, and where both placed a group, training wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataset.entries import PARTS
from dataset.merging.diffing import differing_rows
from dataset.merging.sides import Side
from dataset.parting.group_parts import group_names, group_parts
from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import hex_of, keys_of, rows_at
from dataset.storing.snapshots import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["merge_groups", "with_group_parts", "with_moved"]


def merge_groups(bases: Sequence[Snapshot], ours: Snapshot, theirs: Snapshot) -> tuple[ChunkedTable, dict[str, str]]:
    """The parts of all groups of both sides; and those whose part is another than ours had: name -> ours' part."""
    import pyarrow as pa
    import pyarrow.compute as pc

    one, two = differing_rows(ours.groups, theirs.groups)
    at = rows_at(keys_of(one), keys_of(two))
    before = one.column("part").take(pa.array(at, mask=at < 0))
    come = two.filter(pa.array(at < 0))
    both = two.filter(pc.fill_null(pc.not_equal(before, two.column("part")), False))
    mine = before.filter(pc.fill_null(pc.not_equal(before, two.column("part")), False)).to_pylist()
    # A scheme places groups in its own way: where the schemes differ, ours stays.
    merged = mine if ours.scheme != theirs.scheme else _merged_parts(bases, both, mine)
    moved = both.filter(pa.array([old != new for old, new in zip(mine, merged, strict=True)], pa.bool_()))
    new_parts = pa.array([new for old, new in zip(mine, merged, strict=True) if old != new], pa.string())
    rows = pa.concat_tables([come, moved.set_column(2, "part", new_parts)])
    names = pc.coalesce(moved.column("name"), pa.array(hex_of(keys_of(moved)), pa.string())).to_pylist()
    was = [old for old, new in zip(mine, merged, strict=True) if old != new]
    groups = ours.groups.with_changes(rows) if len(rows) else ours.groups
    return groups, dict(zip(names, was, strict=True))


def _merged_parts(bases: Sequence[Snapshot], both: pa.Table, mine: list[str]) -> list[str]:
    keys = keys_of(both)
    theirs = both.column("part").to_pylist()
    known = [Side.of(base.groups.lookup(keys), keys).rows.column("part").to_pylist() for base in bases]
    merged = []
    for row, (one, two) in enumerate(zip(mine, theirs, strict=True)):
        was = {parts[row] for parts in known}
        if one in was and two not in was:
            merged.append(two)
        elif two in was and one not in was:
            merged.append(one)
        else:
            merged.append(min(one, two, key=PARTS.index))
    return merged


def with_group_parts(rows: pa.Table, ours: Snapshot, theirs: Snapshot, groups: ChunkedTable) -> pa.Table:
    """Rows that were where their group was, on their side, follow the group to where it is now."""
    import pyarrow.compute as pc

    was = [group_parts(side.groups, rows) for side in (ours, theirs)]
    now = group_parts(groups, rows)
    part = rows.column("part")
    follows = pc.or_(*(pc.fill_null(pc.equal(part, each), False) for each in was))
    place = rows.column_names.index("part")
    return rows.set_column(place, "part", pc.if_else(follows, pc.coalesce(now, part), part))


def with_moved(
    rows: pa.Table, ours: Snapshot, groups: ChunkedTable, moved: Mapping[str, str], gone: NDArray[np.bytes_]
) -> pa.Table:
    """Also our other samples of the groups that moved."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not moved:
        return rows
    table = ours.entries.table()
    names = group_names(table)
    followers = table.filter(pc.is_in(names, pa.array(list(moved), pa.string())))
    followers = followers.filter(~np.isin(keys_of(followers), np.concatenate([keys_of(rows), gone])))
    followers = with_group_parts(followers, ours, ours, groups)
    return pa.concat_tables([rows, followers])
