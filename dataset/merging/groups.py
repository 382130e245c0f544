"""Owns the parts of groups in a merge: one side's change is taken, and where both placed a group, training wins.

So it does where a sample is of another group than on one side, such as one that was taken in there without its
recording: wherever one of its members was trained on, the whole group goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataset.entries import PARTS
from dataset.merging.diffing import differing_rows
from dataset.merging.sides import Side, Sides
from dataset.parting.group_parts import group_names, group_parts, parts_of_groups
from dataset.parting.schemes import most_trained
from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import hex_of, keys_of, rows_at
from dataset.storing.snapshots import Snapshot, group_rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["led_by_members", "merge_groups", "regrouped", "with_group_parts", "with_moved"]


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


def regrouped(rows: pa.Table, sides: Sides) -> tuple[NDArray[np.bool_], dict[str, str]]:
    """Which merged rows are of another group than on a side; and group -> the most trained part of such members."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    at = rows_at(sides.keys, keys_of(rows))
    group, both = rows.column("group"), (sides.ours, sides.theirs)
    other = np.zeros(len(rows), bool)
    for side in both:
        was = side.rows.column("group").take(pa.array(at))
        same = pc.fill_null(pc.equal(was, group), False).to_numpy()
        neither = pc.and_(pc.is_null(was), pc.is_null(group)).to_numpy()
        other |= side.there[at] & ~same & ~neither
    led: dict[str, str] = {}
    names = group_names(rows.filter(pa.array(other))).to_pylist() if other.any() else []
    for side in both:
        parts = side.rows.column("part").take(pa.array(at[other])).to_pylist()
        for name, part in zip(names, parts, strict=True):
            if part is not None:
                led[name] = most_trained([part, led.get(name, part)])
    return other, led


def led_by_members(
    groups: ChunkedTable, moved: Mapping[str, str], ours: Snapshot, led: Mapping[str, str]
) -> tuple[ChunkedTable, dict[str, str]]:
    """What ``merge_groups`` gave, where members that were in other groups (``regrouped``) lead theirs to training."""
    known = parts_of_groups(groups, led)
    wanted = {name: most_trained([part, known.get(name, part)]) for name, part in led.items()}
    other = {name: part for name, part in wanted.items() if known.get(name) != part}
    if not other:
        return groups, dict(moved)
    rows = group_rows(list(other), list(other.values()))
    return groups.with_changes(rows), parts_of_groups(ours.groups, other) | dict(moved)


def with_group_parts(
    rows: pa.Table,
    ours: Snapshot,
    theirs: Snapshot,
    groups: ChunkedTable,
    regrouped: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """Rows that were where their group was, on their side, follow the group to where it is now; so do new members."""
    import pyarrow as pa
    import pyarrow.compute as pc

    was = [group_parts(side.groups, rows) for side in (ours, theirs)]
    now = group_parts(groups, rows)
    part = rows.column("part")
    follows = pc.or_(*(pc.fill_null(pc.equal(part, each), False) for each in was))
    if regrouped is not None:
        follows = pc.or_(follows, pa.array(regrouped))
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
