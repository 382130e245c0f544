"""Owns merging one line of a dataset, or another dataset, into a branch: plan, check the rules, store, move the ref."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataset.changes import change_schema
from dataset.lines.branches import MAIN, BranchBook
from dataset.lines.history import ancestors, merge_bases
from dataset.merging.conflicts import LabelConflict, check_rules
from dataset.merging.diffing import compare
from dataset.merging.planning import MergePlan, merge_snapshots
from dataset.parting.copies import NearDuplicates, copies_among, looker
from dataset.parting.crossings import torn_groups, torn_pairs, torn_stations, wrong_times
from dataset.parting.guards import Violation, checked_overrides
from dataset.parting.settling import Settled, settle
from dataset.storing.manifests import VersionSummary
from dataset.storing.rows import HexIds
from dataset.storing.snapshots import Snapshot
from dataset.versions import DatasetRepository
from ecosight.errors import NotFound

__all__ = ["MergeReport", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What a merge did, or would do.

    Attributes:
        version: the branch's newest version afterwards; None where nothing was done.
        outcome: ``merged``, ``fast-forward``, ``up to date``, ``conflicts`` or ``would merge``.
        added, changed, removed: samples, against the branch as it was.
        conflicts: labels that both sides changed, each with how it was decided (None: not).
        moved_groups: groups that both sides had placed, in different parts.
    """

    version: VersionSummary | None
    outcome: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    conflicts: tuple[LabelConflict, ...] = ()
    decided: Mapping[str, str] | None = None
    moved_groups: tuple[str, ...] = ()

    @property
    def unresolved(self) -> tuple[LabelConflict, ...]:
        return tuple(each for each in self.conflicts if each.sample_id not in (self.decided or {}))

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object."""
        decided = self.decided or {}
        return {
            "outcome": self.outcome,
            "version": str(self.version.ref) if self.version else None,
            "digest": self.version.ref.digest if self.version else None,
            "added": self.added,
            "changed": self.changed,
            "removed": self.removed,
            "conflicts": [each.as_dict() | {"decided": decided.get(each.sample_id)} for each in self.conflicts],
            "moved_groups": list(self.moved_groups),
        }


def merge(
    repository: DatasetRepository,
    other: str,
    *,
    into: str = MAIN,
    rules: Sequence[str] = (),
    by_hand: Mapping[str, str] | None = None,
    message: str = "",
    overrides: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> MergeReport:
    """Merge a version into a branch, by its labels against the version where the two parted.

    Args:
        other: a branch, tag or version of this dataset; or ``NAME@…`` of another one in the same store, whose
            samples come as they are now, against what was merged of it before.
        rules, by_hand: see ``merge_snapshots``.
        overrides: see ``dataset.parting.guards``.
        dry_run: change nothing, and tell what would be done or refused.
    Returns: the report. With conflicts that nothing decides, nothing is changed.
    Raises: NotFound: no such version. Refused: something would be on two sides.
    """
    given = checked_overrides(overrides)
    check_rules(rules)
    name, theirs = _resolve(repository, other)
    while True:
        ours = repository.branches.get(into)
        if ours is None:
            raise NotFound(f"the branch {into!r} has no version yet", hint="Create it from one: `dataset branch`.")
        foreign = name != repository.name
        bases = _foreign_bases(repository, ours, name) if foreign else merge_bases(ours, theirs, _reader(repository))
        if theirs in bases:
            return MergeReport(version=repository.summary(ours), outcome="up to date")
        forward = not foreign and bases == [ours] and _same_scheme(repository, ours, theirs)
        if forward and not dry_run:
            if repository.branches.move(into, ours, theirs):
                return _forwarded(repository, ours, theirs)
            continue
        mine, yours = repository.snapshots.load(ours), repository.snapshots.load(theirs, name=name)
        old = [repository.snapshots.load(base, name=name) for base in bases]
        if mine.scheme != yours.scheme:
            yours = _adopted(repository, mine, yours)
        plan = merge_snapshots(old, mine, yours, rules=rules, by_hand=by_hand, now=repository.clock.now())
        report = _report(plan, mine)
        if plan.unresolved:
            return replace(report, outcome="conflicts")
        if forward:  # only asked for: their version is taken as it is, and its rules were checked when it was made
            return report
        more = {"merged_from": {"name": name, "digest": theirs}}
        violations = _violations(plan, looker(repository.near_duplicates, given))
        settled = Settled(snapshot=plan.snapshot, violations=violations, changed=True)
        if dry_run:
            repository.check(settled, given)
            return report
        digest = repository.store(
            settled,
            parents=[ours] if foreign else [ours, theirs],
            message=message or f"merge {other}",
            given=given,
            more=more,
        )
        if repository.branches.move(into, ours, digest):
            return replace(report, version=repository.summary(digest), outcome="merged")


def _resolve(repository: DatasetRepository, other: str) -> tuple[str, str]:
    """The dataset's name, and the version's digest."""
    name, at, version = other.partition("@")
    if not at or name == repository.name:
        return repository.name, repository.resolve(other)
    head = BranchBook(repository.refs, dataset=name).get(MAIN)
    if head is None:
        raise NotFound(f"there is no dataset {name!r}", hint="Name a branch of this one, or NAME@v3 of another.")
    foreign = DatasetRepository(
        repository.blobs,
        repository.refs,
        name=name,
        ratios=repository.ratios,
        seed=repository.splitter.seed,
        clock=repository.clock,
    )
    return name, foreign.resolve(version or None)


def _foreign_bases(repository: DatasetRepository, ours: str, name: str) -> list[str]:
    """What was merged of that dataset last."""
    for _, manifest in ancestors([ours], repository.snapshots.manifest):
        merged = manifest.get("merged_from")
        if merged and merged["name"] == name:
            return [merged["digest"]]
    return []


def _same_scheme(repository: DatasetRepository, one: str, other: str) -> bool:
    schemes = [repository.snapshots.manifest(each)["scheme"] for each in (one, other)]
    return bool(schemes[0] == schemes[1])


def _reader(repository: DatasetRepository) -> Any:
    return repository.snapshots.manifest


def _adopted(repository: DatasetRepository, ours: Snapshot, theirs: Snapshot) -> Snapshot:
    """Their samples, in the parts that our scheme gives them. Their copies are looked for when the merge is checked."""
    import pyarrow as pa

    table = theirs.entries.table()
    part = table.column_names.index("part")
    changes = table.set_column(part, change_schema().field("part"), pa.nulls(len(table), pa.string()))
    changes = changes.append_column("action", pa.array(["return"] * len(table), pa.string()))
    empty = Snapshot.empty()
    base = replace(ours, entries=empty.entries, removed=empty.removed, overrides=())
    adopted = settle(
        base, changes, splitter=repository.splitter, now=repository.clock.now(), near_duplicates=lambda _: ()
    ).snapshot
    return replace(adopted, removed=theirs.removed, overrides=theirs.overrides, scheme=ours.scheme)


def _violations(plan: MergePlan, near_duplicates: NearDuplicates) -> tuple[Violation, ...]:
    pairs, unsearched = copies_among(near_duplicates, HexIds(plan.come))
    snapshot = plan.snapshot
    return (
        *torn_groups(plan.rows, snapshot.groups),
        *torn_pairs(snapshot, pairs),
        *torn_stations(plan.rows, snapshot.groups, snapshot.scheme),
        *wrong_times(plan.rows, snapshot.scheme),
        *unsearched,
    )


def _forwarded(repository: DatasetRepository, ours: str, theirs: str) -> MergeReport:
    before, after = repository.snapshots.load(ours), repository.snapshots.load(theirs)
    diff = compare(before.entries, after.entries)
    return MergeReport(
        version=repository.summary(theirs),
        outcome="fast-forward",
        added=len(diff.added),
        changed=len(diff.after),
        removed=len(diff.removed),
    )


def _report(plan: MergePlan, ours: Snapshot) -> MergeReport:
    gone = len(ours.entries) + len(plan.come) - len(plan.snapshot.entries)
    return MergeReport(
        version=None,
        outcome="would merge",
        added=len(plan.come),
        changed=len(plan.rows) - len(plan.come),
        removed=gone,
        conflicts=plan.conflicts,
        decided=plan.decided,
        moved_groups=plan.moved_groups,
    )
