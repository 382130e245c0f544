"""Owns turning what is asked to change into the rows of the next version: groups kept, parts given, rules checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dataset.parting.copies import NearDuplicates, copies_among
from dataset.parting.crossings import torn_groups, torn_pairs, torn_stations, wrong_times
from dataset.parting.group_parts import group_names, parts_of_groups
from dataset.parting.guards import Violation
from dataset.parting.schemes import FreeGroups, most_trained, place_groups, stations_in, stations_led
from dataset.splitting import DatasetSplitter
from dataset.storing.rows import HexIds, entry_schema, hex_of, keys_of, keys_of_hex, rows_at, same_rows
from dataset.storing.snapshots import Snapshot, changed_counts, group_rows
from ecosight.errors import NotFound

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Settled", "settle"]

_COMPARED = ("label", "part", "source", "size_bytes", "annotators")
"""What makes another version. A time or a station that became known alone does not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """The next version's contents, and what is on two sides because of these changes."""

    snapshot: Snapshot
    violations: tuple[Violation, ...]
    changed: bool


def settle(
    base: Snapshot,
    changes: pa.Table,
    *,
    splitter: DatasetSplitter,
    now: datetime,
    near_duplicates: NearDuplicates,
) -> Settled:
    """Apply changes (see ``dataset.changes``) to a version. Reads only the rows that they touch.

    A sample that is there keeps its group, and a group that ever had a part keeps it.
    Args:
        near_duplicates: is asked once, with the ids of all samples that are new in the version.
    Raises: NotFound: a label for a sample that is not in the dataset. InvalidInput, NotEnoughData: the scheme.
    """
    import numpy as np
    import pyarrow.compute as pc

    action = changes.column("action")
    gone = changes.filter(pc.equal(action, "remove"))
    put = changes.filter(pc.not_equal(action, "remove"))
    put = _of_its_classes(base, _without_removed(base, put))
    old = _aligned(base.entries.lookup(keys_of(put)), put)
    rows = _with_stations(_merged(put, old, now), base.scheme)
    new = keys_of(rows.select(["id"]).filter(pc.is_null(rows.column("_part"))))
    pairs, unsearched = copies_among(near_duplicates, HexIds(new))
    rows, placed, scheme = _with_parts(base, rows, splitter, pairs)
    fresh = _new_or_changed(rows, old)
    rows, old = rows.filter(fresh), base.entries.lookup(np.concatenate([keys_of(rows.filter(fresh)), keys_of(gone)]))
    groups = base.groups.with_changes(group_rows(list(placed), list(placed.values()))) if placed else base.groups
    removed = base.removed
    if len(removed) or len(gone):
        removed = np.union1d(np.setdiff1d(removed, keys_of(rows)), keys_of(gone)).astype("S32")
    snapshot = replace(
        base,
        digest=None,
        entries=base.entries.with_changes(rows, keys_of(gone)),
        groups=groups,
        standing=changed_counts(base.standing, old, rows),
        removed=removed,
        scheme=scheme,
    )
    # Only who chose a part himself can tear a group: all others were given that of their group.
    chosen = _chosen(put, rows)
    violations = [
        *torn_groups(chosen, groups),
        *torn_pairs(snapshot, pairs),
        *torn_stations(rows, groups, scheme),
        *wrong_times(rows, scheme),
        *unsearched,
    ]
    return Settled(
        snapshot=snapshot,
        violations=tuple(violations),
        changed=len(rows) + len(gone) > 0 and not snapshot.same_contents(base),
    )


def _chosen(put: pa.Table, rows: pa.Table) -> pa.Table:
    """The rows for which the change names a part."""
    named = put.filter(put.column("part").is_valid())
    return rows.filter(rows_at(keys_of(named), keys_of(rows)) >= 0)


def _without_removed(base: Snapshot, put: pa.Table) -> pa.Table:
    """Without the samples that were taken out on purpose, unless they are asked for by name."""
    import numpy as np
    import pyarrow.compute as pc

    if len(base.removed) == 0 or len(put) == 0:
        return put
    by_itself = pc.equal(put.column("action"), "put").to_numpy(zero_copy_only=False)
    return put.filter(~(by_itself & np.isin(keys_of(put), base.removed)))


def _of_its_classes(base: Snapshot, put: pa.Table) -> pa.Table:
    """On a line of some classes, without new samples of others, unless they are asked for by name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "labels" not in base.scheme or len(put) == 0:
        return put
    asked = pc.equal(put.column("action"), "return")
    wanted = pc.is_in(put.column("label"), pa.array(base.scheme["labels"], pa.string()))
    there = pc.is_valid(_aligned(base.entries.lookup(keys_of(put)), put).column("label"))
    return put.filter(pc.or_(pc.or_(asked, wanted), there))


def _aligned(found: pa.Table, rows: pa.Table) -> pa.Table:
    """The found row for each row, all null where there is none."""
    import pyarrow as pa

    at = rows_at(keys_of(found), keys_of(rows))
    return found.take(pa.array(at, mask=at < 0))


def _merged(put: pa.Table, old: pa.Table, now: datetime) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    schema = entry_schema()
    there = pc.is_valid(old.column("label"))
    merged = {name: pc.coalesce(put.column(name), old.column(name)) for name in schema.names}
    # Who only corrects a label or a part does not know the sample itself.
    unknown = pc.or_(pc.is_null(merged["label"]), pc.is_null(merged["size_bytes"]))
    if ids := hex_of(keys_of(put.filter(unknown))):
        raise NotFound(
            f"{len(ids)} samples are not in the dataset: {', '.join(each[:12] for each in ids[:3])}",
            hint="Add them with their label first.",
        )
    relabelled = pc.fill_null(pc.not_equal(merged["label"], old.column("label")), True)
    merged["group"] = pc.if_else(there, old.column("group"), put.column("group"))
    merged["part"] = put.column("part")
    merged["source"] = pc.fill_null(merged["source"], "")
    moment = pa.scalar(now, schema.field("labelled_at").type)
    for name, first in (("annotators", pa.scalar(1, pa.int32())), ("labelled_at", moment)):
        merged[name] = pc.coalesce(put.column(name), pc.if_else(relabelled, first, old.column(name)))
    merged["_part"] = old.column("part")
    return pa.table(merged)


def _with_stations(rows: pa.Table, scheme: Mapping[str, object]) -> pa.Table:
    """New rows with the stations that their file names tell, where the branch finds them so."""
    import pyarrow.compute as pc

    if "station_pattern" not in scheme:
        return rows
    found = stations_in(rows.column("source").to_pylist(), str(scheme["station_pattern"]))
    stations = pc.if_else(pc.is_null(rows.column("_part")), found, rows.column("station"))
    return rows.set_column(rows.column_names.index("station"), "station", stations)


def _new_or_changed(rows: pa.Table, old: pa.Table) -> NDArray[np.bool_]:
    return ~same_rows(rows, old, _COMPARED)


def _with_parts(
    base: Snapshot, rows: pa.Table, splitter: DatasetSplitter, pairs: list[tuple[str, str]]
) -> tuple[pa.Table, dict[str, str], Mapping[str, object]]:
    """The rows with their parts; the groups that got one; the scheme."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = group_names(rows)
    rows = rows.append_column("name", names)
    fresh = rows.filter(pc.is_null(rows.column("_part")))
    unknown = pc.unique(fresh.column("name")).to_pylist()
    known = parts_of_groups(base.groups, unknown)
    # A part that the caller chose counts for the whole group, where the group has none yet.
    chosen: dict[str, str] = {}
    asked = fresh.filter(pc.is_valid(fresh.column("part")))
    for name, part in zip(asked["name"].to_pylist(), asked["part"].to_pylist(), strict=True):
        if name not in known:
            chosen[name] = most_trained([part, chosen.get(name, part)])
    free = fresh
    if known or chosen:
        free = fresh.filter(pc.invert(pc.is_in(fresh.column("name"), pa.array([*known, *chosen], pa.string()))))
    standing = changed_counts(base.standing, rows.slice(0, 0), _moved_already(rows, base, known | chosen))
    led = stations_led(base.scheme, fresh, known | chosen)
    led |= parts_of_groups(base.groups, led)
    placement = place_groups(
        base.scheme,
        FreeGroups(
            rows=free.select(["name", "label", "captured_at", "station"]),
            standing=standing,
            ties=_ties(base, rows, pairs),
            known=lambda asked: led | parts_of_groups(base.groups, asked),
        ),
        splitter,
    )
    placed = {**chosen, **placement.parts}
    given = known | placed
    column = pa.array(map(given.get, names.to_pylist()), pa.string()) if given else pa.nulls(len(rows), pa.string())
    rows = rows.set_column(
        rows.column_names.index("part"), "part", pc.coalesce(rows.column("part"), rows.column("_part"), column)
    )
    return rows.select(entry_schema().names), {**placed, **led, **placement.memory}, placement.scheme


def _moved_already(rows: pa.Table, base: Snapshot, parts: Mapping[str, str]) -> pa.Table:
    """The new samples whose group has its part: they count before the others are placed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not parts:
        return rows.slice(0, 0)
    fresh = rows.filter(pc.is_null(rows.column("_part")))
    part = pa.array([parts.get(name) for name in fresh.column("name").to_pylist()], pa.string())
    counted = pa.table({"label": fresh.column("label"), "part": pc.coalesce(fresh.column("part"), part)})
    return counted.filter(pc.is_valid(counted.column("part")))


def _ties(base: Snapshot, rows: pa.Table, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of groups that the near-duplicates belong to; samples that are nowhere are passed over."""
    if not pairs:
        return []
    ids = sorted({each for pair in pairs for each in pair})
    group = dict(zip(*_ids_and_groups(base.entries.lookup(keys_of_hex(ids))), strict=True))
    group |= dict(zip(*_ids_and_groups(rows), strict=True))
    there = [(group[one], group[two]) for one, two in pairs if one in group and two in group]
    return [(one, two) for one, two in there if one != two]


def _ids_and_groups(rows: pa.Table) -> tuple[list[str], list[str]]:
    return hex_of(keys_of(rows)), group_names(rows).to_pylist()
