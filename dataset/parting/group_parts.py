"""Owns which group a row belongs to, and which part the group has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import group_keys, hex_of, keys_of, rows_at

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["group_names", "group_parts", "parts_of_groups"]


def parts_of_groups(groups: ChunkedTable, names: Iterable[str]) -> dict[str, str]:
    """The parts of those groups that have one."""
    each = list(names)
    if not each:
        return {}
    keys = group_keys(each)
    found = groups.lookup(keys)
    at = rows_at(keys_of(found), keys)
    parts = found.column("part").to_pylist()
    return {name: parts[row] for name, row in zip(each, at.tolist(), strict=True) if row >= 0}


def group_names(rows: pa.Table) -> pa.Array:
    """The name of each row's group: its own id where it has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    groups = rows.column("group").combine_chunks()
    if groups.null_count == 0:
        return groups
    return pc.coalesce(groups, pa.array(hex_of(keys_of(rows)), pa.string()))


def group_parts(groups: ChunkedTable, rows: pa.Table) -> pa.Array:
    """The part of each row's group; null where it has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = group_names(rows)
    each = pc.unique(names)
    keys = group_keys(each.to_pylist())
    found = groups.lookup(keys)
    at = rows_at(keys_of(found), keys)
    parts = found.column("part").combine_chunks().take(pa.array(at, mask=at < 0))
    return parts.take(pc.index_in(names, each))
