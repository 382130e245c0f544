"""Owns bringing two lines of a dataset together, sample by sample, against the version where they parted.

What one side changed and the other did not is taken as changed. Where both changed a label differently, a rule or a
person decides. Groups that got their part, or a member, on both sides independently go where they were trained on:
whoever trained on a recording must never be tested on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS
from dataset.merging.conflicts import REMOVED, LabelConflict, decide
from dataset.merging.groups import led_by_members, merge_groups, regrouped, with_group_parts, with_moved
from dataset.merging.sides import Side, Sides
from dataset.storing.rows import entry_schema, hex_of, keys_of, rows_at, same_rows
from dataset.storing.snapshots import Snapshot, changed_counts
from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["MergePlan", "merge_snapshots"]

_FACTS = ("source", "size_bytes", "captured_at", "station", "group")
_LABEL = ("label", "annotators", "labelled_at")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MergePlan:
    """What a merge comes to. Nothing is written yet.

    Attributes:
        snapshot: the merged contents, with the unresolved conflicts left as ours has them.
        conflicts: labels that both sides changed; decided: sample id -> ``ours``, ``theirs`` or ``by hand``.
        moved_groups: groups that are in another part than ours had them in.
        rows: the rows that are new or other than ours. come: keys of the samples that ours did not have.
    """

    snapshot: Snapshot
    rows: pa.Table
    conflicts: tuple[LabelConflict, ...]
    decided: Mapping[str, str]
    moved_groups: tuple[str, ...]
    come: NDArray[np.bytes_]

    @property
    def unresolved(self) -> tuple[LabelConflict, ...]:
        return tuple(each for each in self.conflicts if each.sample_id not in self.decided)


def merge_snapshots(
    bases: Sequence[Snapshot],
    ours: Snapshot,
    theirs: Snapshot,
    *,
    rules: Sequence[str] = (),
    by_hand: Mapping[str, str] | None = None,
    now: datetime,
) -> MergePlan:
    """Merge two snapshots.

    Args:
        bases: where they parted; none for unrelated lines. With several (lines that were merged crosswise), a
            side that equals any of them did not change.
        rules: see ``dataset.merging.conflicts``; the first that can say decides.
        by_hand: sample id -> label, or ``-``; goes before the rules.
        now: stamps labels that are set by hand.
    Raises: InvalidInput: a decision by hand that decides nothing; there is no such rule.
    """
    import numpy as np

    by_hand = by_hand or {}
    sides = Sides.of(bases, ours, theirs)
    chosen, conflicts, decided = _choose(sides, rules, by_hand)
    if idle := sorted(by_hand.keys() - {each.sample_id for each in conflicts}):
        raise InvalidInput(
            f"{len(idle)} decisions are of samples in no conflict: {', '.join(each[:12] for each in idle[:3])}",
            hint="Take these rows out: `merge --conflicts FILE` writes those that count.",
        )
    rows = _rows(sides, chosen)
    rows = _by_hand(rows, sides, chosen, {each: by_hand[each] for each in decided if each in by_hand}, now)
    gone = sides.keys[sides.ours.there & (chosen == _GONE)]
    anew, led = regrouped(rows, sides)
    groups, moved = led_by_members(*merge_groups(bases, ours, theirs), ours, led)
    rows = with_group_parts(rows, ours, theirs, groups, anew)
    rows = _other_than(ours, with_moved(rows, ours, groups, moved, gone))
    touched = np.concatenate([keys_of(rows), gone])
    entries = ours.entries.with_changes(rows, gone)
    snapshot = replace(
        ours,
        digest=None,
        entries=entries,
        groups=groups,
        standing=changed_counts(ours.standing, ours.entries.lookup(touched), rows),
        removed=np.union1d(_merge_removed(bases, ours, theirs, entries), gone).astype("S32"),
        overrides=(*ours.overrides, *(each for each in theirs.overrides if each not in ours.overrides)),
    )
    return MergePlan(
        snapshot=snapshot,
        rows=rows,
        conflicts=tuple(conflicts),
        decided=decided,
        moved_groups=tuple(moved),
        come=sides.keys[~sides.ours.there & (chosen != _GONE)],
    )


_OURS, _THEIRS, _BOTH, _GONE = 0, 1, 2, 3


def _choose(
    sides: Sides, rules: Sequence[str], by_hand: Mapping[str, str]
) -> tuple[NDArray[np.int8], list[LabelConflict], dict[str, str]]:
    """Whose label each sample gets."""
    import numpy as np

    ours_kept, theirs_kept = sides.unchanged(sides.ours), sides.unchanged(sides.theirs)
    agree = sides.ours.same_label(sides.theirs)
    chosen = np.full(len(sides.keys), _OURS, np.int8)
    chosen[agree] = _BOTH
    chosen[~agree & ours_kept & ~theirs_kept] = _THEIRS
    clash = ~agree & (ours_kept == theirs_kept)
    conflicts, decided = [], {}
    for row in np.flatnonzero(clash).tolist():
        conflict = _conflict(sides, row)
        conflicts.append(conflict)
        side = decide(conflict, rules)
        if conflict.sample_id in by_hand:
            decided[conflict.sample_id] = "by hand"
        elif side is not None:
            decided[conflict.sample_id] = side
            chosen[row] = _THEIRS if side == "theirs" else _OURS
    chosen[(chosen == _OURS) & ~sides.ours.there] = _GONE
    chosen[(chosen == _THEIRS) & ~sides.theirs.there] = _GONE
    return chosen, conflicts, decided


def _conflict(sides: Sides, row: int) -> LabelConflict:
    def told(side: Side | None) -> dict[str, Any]:
        return side.rows.slice(row, 1).to_pylist()[0] if side is not None and side.there[row] else {}

    ours, theirs = told(sides.ours), told(sides.theirs)
    return LabelConflict(
        sample_id=sides.keys[row : row + 1].tobytes().hex(),
        source=ours.get("source") or theirs.get("source") or "",
        base=told(sides.bases[0]).get("label") if sides.bases else None,
        ours=ours.get("label"),
        theirs=theirs.get("label"),
        ours_at=ours.get("labelled_at"),
        theirs_at=theirs.get("labelled_at"),
        ours_annotators=ours.get("annotators") or 1,
        theirs_annotators=theirs.get("annotators") or 1,
    )


def _rows(sides: Sides, chosen: NDArray[np.int8]) -> pa.Table:
    """The merged rows, without their parts and without what was taken out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset.storing.snapshots import key_column

    ours, theirs = sides.ours.rows, sides.theirs.rows
    columns: dict[str, Any] = {"id": key_column(sides.keys)}
    for name in _LABEL:
        one, two = ours.column(name), theirs.column(name)
        # Both set the same label: more people agree on it now, and the last of them spoke last.
        both = one if name == "label" else _larger(one, two)
        columns[name] = pc.if_else(pa.array(chosen == _BOTH), both, pc.if_else(pa.array(chosen == _THEIRS), two, one))
    for name in _FACTS:
        columns[name] = _merged_fact(sides, name)
    columns["part"] = _merged_part(sides)
    table = pa.table({name: columns[name] for name in entry_schema().names}).cast(entry_schema())
    return table.filter(pa.array(chosen != _GONE))


def _merged_fact(sides: Sides, name: str) -> Any:
    """A column that seldom changes: the side that changed it; of two that did, the smaller value, so that the
    order of merging does not matter."""

    one, two = sides.ours.rows.column(name), sides.theirs.rows.column(name)
    return _pick(sides, name, _larger(one, two, least=True))


def _larger(one: Any, two: Any, *, least: bool = False) -> Any:
    """The larger (or lesser) of two columns, of any type that has an order; what is null does not count."""
    import pyarrow.compute as pc

    better = pc.less(one, two) if least else pc.greater(one, two)
    return pc.coalesce(pc.if_else(better, one, two), one, two)


def _merged_part(sides: Sides) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    order = pa.array(PARTS)
    one, two = (pc.index_in(side.rows.column("part"), order) for side in (sides.ours, sides.theirs))
    trained = pc.min_element_wise(one, two)
    return _pick(sides, "part", order.take(trained.combine_chunks()))


def _pick(sides: Sides, name: str, otherwise: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    one, two = sides.ours.rows.column(name), sides.theirs.rows.column(name)
    result = pc.if_else(pa.array(sides.ours.there & sides.theirs.there), otherwise, pc.coalesce(one, two))
    for base in sides.bases:
        was = base.rows.column(name)
        for kept, other, there in ((one, two, sides.theirs.there), (two, one, sides.ours.there)):
            same = pc.or_(pc.fill_null(pc.equal(kept, was), False), pc.and_(pc.is_null(kept), pc.is_null(was)))
            result = pc.if_else(pc.and_(same, pa.array(base.there & there)), other, result)
    return result


def _by_hand(
    rows: pa.Table, sides: Sides, chosen: NDArray[np.int8], labels: Mapping[str, str], now: datetime
) -> pa.Table:
    """Set the labels that a person decided on; ``chosen`` learns what is gone."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset.storing.rows import keys_of_hex

    if not labels:
        return rows
    for sample_id, label in labels.items():
        row = int(rows_at(sides.keys, keys_of_hex([sample_id]))[0])
        chosen[row] = _GONE if label == REMOVED else _OURS if sides.ours.there[row] else _THEIRS
    rows = _rows(sides, chosen)
    given = [labels.get(sample_id) for sample_id in hex_of(keys_of(rows))]
    set_here = pa.array(np.array([label is not None for label in given], bool))
    for name, value in (
        ("label", pa.array(given, pa.string())),
        ("annotators", pa.scalar(1, pa.int32())),
        ("labelled_at", pa.scalar(now, entry_schema().field("labelled_at").type)),
    ):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, entry_schema().field(name), pc.if_else(set_here, value, rows.column(name)))
    return rows


def _other_than(ours: Snapshot, rows: pa.Table) -> pa.Table:
    """Without the rows that we have already."""
    mine = Side.of(ours.entries.lookup(keys_of(rows)), keys_of(rows))
    return rows.filter(~same_rows(rows, mine.rows, rows.column_names))


def _merge_removed(bases: Sequence[Snapshot], ours: Snapshot, theirs: Snapshot, entries: Any) -> NDArray[np.bytes_]:
    """What stays taken out: on both sides, or on one while the other did not bring it back."""
    import numpy as np

    both = np.intersect1d(ours.removed, theirs.removed)
    one = np.setxor1d(ours.removed, theirs.removed)
    for base in bases:
        one = np.setdiff1d(one, base.removed)
    kept = np.union1d(both, one).astype("S32")
    return np.setdiff1d(kept, keys_of(entries.lookup(kept))).astype("S32") if len(kept) else kept
