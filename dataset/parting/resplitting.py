"""Owns making a set of its own from a version: other classes, or another split. It begins a branch.

The split of a line of versions never changes, so that no model is ever tested on what one before it learned. Whoever
wants another split begins another line; models of different lines are not compared on their test parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataset.changes import change_schema
from dataset.parting.copies import looker
from dataset.parting.guards import checked_overrides
from dataset.parting.schemes import checked_scheme
from dataset.parting.settling import Settled, settle
from dataset.splitting import DatasetSplitter
from dataset.storing.manifests import UNSEARCHED, Override, VersionSummary
from dataset.storing.rows import keys_of
from dataset.storing.snapshots import Snapshot
from ecosight.errors import Conflict, InvalidInput, NotEnoughData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from dataset.versions import DatasetRepository

__all__ = ["begin_set"]


def begin_set(
    repository: DatasetRepository,
    branch: str,
    *,
    version: str | None = None,
    by: str = "stratified",
    ratios: Mapping[str, float] | None = None,
    seed: int | None = None,
    holdout: Mapping[str, Sequence[str]] | None = None,
    labels: Collection[str] = (),
    station_pattern: str | None = None,
    message: str = "",
    overrides: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> tuple[VersionSummary | None, Settled]:
    """Split a version anew, on a branch of its own.

    Args:
        by: ``stratified``, ``time`` (train before val before test) or ``station`` (a station is in one part).
        ratios, seed: as the repository has them, if not given.
        holdout: part -> stations that must be in it; by ``station`` only.
        labels: only these classes, of what is added to the branch by itself later, too; none given takes those of
            the version.
        station_pattern: finds the station in the file name: its first group, or all that it matched. Of what is
            added to the branch later, too.
    Returns: the branch's first version (None for a dry run), and what it holds.
    Raises: Conflict: there is such a branch, or a tag. InvalidInput, NotEnoughData: the samples do not tell what the
        split needs. Refused: near-duplicates would be on two sides.
    """
    given = checked_overrides(overrides)
    digest = repository.resolve(version)
    if repository.branches.get(branch) is not None:
        raise Conflict(f"there is a branch {branch!r} already", hint="A split begins a new one.")
    repository.branches.check_free(branch)
    source = repository.snapshots.load(digest)
    splitter = DatasetSplitter(ratios or repository.ratios, repository.splitter.seed if seed is None else seed)
    scheme = {**checked_scheme(by, holdout), "set": branch} | _lasting(source, labels, station_pattern)
    changes = _changes(source, labels)
    settled = settle(
        replace(Snapshot.empty(scheme), removed=_left_out(source, changes)),
        changes,
        splitter=splitter,
        now=repository.clock.now(),
        near_duplicates=looker(repository.near_duplicates, given),
    )
    settled = replace(settled, snapshot=replace(settled.snapshot, overrides=_inherited(source, settled)))
    if dry_run:
        repository.check(settled, given)
        return None, settled
    stored = repository.store(
        settled,
        parents=[digest],
        message=message or f"split of {version or 'the newest version'} by {by}",
        given=given,
        splitter=splitter,
    )
    if not repository.branches.move(branch, None, stored):
        raise Conflict(f"there is a branch {branch!r} already", hint="Somebody was quicker; choose another name.")
    return repository.summary(stored), settled


def _lasting(source: Snapshot, labels: Collection[str], station_pattern: str | None) -> dict[str, Any]:
    """What of the scheme also holds for all that is added to the branch by itself later."""
    chosen = sorted(set(labels) or set(source.scheme.get("labels", ())))
    found: dict[str, Any] = {"labels": chosen} if chosen else {}
    return found if station_pattern is None else found | {"station_pattern": station_pattern}


def _changes(source: Snapshot, labels: Collection[str]) -> pa.Table:
    """All samples of the source, as if they were new."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = source.entries.table()
    if unknown := set(labels) - source.standing.keys():
        known = ", ".join(sorted(source.standing))
        raise InvalidInput(f"there is no class {min(unknown)!r}", hint=f"The version has {known}.")
    if labels:
        table = table.filter(pc.is_in(table.column("label"), pa.array(sorted(labels))))
    if len(table) == 0:
        raise NotEnoughData("there is nothing to split", hint="Name a version with samples.")
    table = table.set_column(table.column_names.index("part"), "part", pa.nulls(len(table), pa.string()))
    action = pa.array(["return"] * len(table), pa.string())
    return table.append_column("action", action).cast(change_schema())


def _left_out(source: Snapshot, changes: pa.Table) -> NDArray[np.bytes_]:
    """What was taken out stays out. So do samples of the other classes: as they came in, some had another label."""
    import numpy as np

    others = np.setdiff1d(keys_of(source.entries.table()), keys_of(changes))
    return np.union1d(source.removed, others).astype("S32")


def _inherited(source: Snapshot, settled: Settled) -> tuple[Override, ...]:
    """Whole groups are placed anew, so overrides about groups and times end here. Near-duplicates are looked for
    again; where nobody did, what is known of them is still told."""
    if any(each.rule == UNSEARCHED for each in settled.violations):
        return tuple(each for each in source.overrides if each.name == "near-duplicates")
    return ()
