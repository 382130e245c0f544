"""Owns finding what is on two sides among rows that changed: groups, near-duplicates, stations, and cuts in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dataset.parting.group_parts import group_names, group_parts, parts_of_groups
from dataset.parting.guards import Violation
from dataset.parting.schemes import part_at, station_key
from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import hex_of, keys_of, keys_of_hex
from dataset.storing.snapshots import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["torn_groups", "torn_pairs", "torn_stations", "wrong_times"]


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
    ids, sources = hex_of(keys_of(found)), found.column("source").to_pylist()
    part = dict(zip(ids, found.column("part").to_pylist(), strict=True))
    shown = {each: f"{source} ({each[:12]}, {part[each]})" for each, source in zip(ids, sources, strict=True)}
    return [
        Violation(rule="near-duplicates", what=f"{one} {two}", shown=f"{shown.get(one)} and {shown.get(two)}")
        for one, two in pairs
        if one in part and two in part and part[one] != part[two]
    ]


def torn_stations(rows: pa.Table, groups: ChunkedTable, scheme: Mapping[str, object]) -> list[Violation]:
    """Stations of which a changed sample is not where the station is, such as one of a group that has moved there."""
    if scheme["by"] != "station" or len(rows) == 0:
        return []
    told = rows.filter(rows.column("station").is_valid())
    stations, parts = told.column("station").to_pylist(), told.column("part").to_pylist()
    known = parts_of_groups(groups, sorted({station_key(station) for station in stations}))
    torn = {
        station for station, part in zip(stations, parts, strict=True) if known.get(station_key(station), part) != part
    }
    return [Violation(rule="station", what=station) for station in sorted(torn)]


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
