"""Owns which accepted samples no version holds yet: uploads, and what was ingested by an older EcoSight.

Comparing a million rows takes seconds, so the answer "none" is remembered with the version and the count of samples
it was true for. Samples only ever come, so the same count means the same samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataset.lines.branches import MAIN
from dataset.storing.rows import keys_of, keys_of_hex, rows_at
from ecosight.values import Sample

if TYPE_CHECKING:
    from dataset.versions import DatasetRepository
    from ecosight.state.samples import SampleStore

__all__ = ["unversioned"]


def unversioned(repository: DatasetRepository, samples: SampleStore, branch: str = MAIN) -> list[Sample]:
    """The labelled samples that the newest version neither holds nor has taken out on purpose.

    On a branch of some of the classes, only theirs.
    """
    head = repository.branches.get(branch)
    mark = f"dataset/{repository.name}/seen/{branch}"
    seen, now = repository.refs.get(mark), f"{head}:{samples.count()}"
    if seen == now:
        return []
    labelled = [sample for sample in samples.all() if sample.label is not None]
    if head is None:
        return labelled
    snapshot = repository.snapshots.load(head)
    if wanted := snapshot.scheme.get("labels"):
        labelled = [sample for sample in labelled if sample.label in wanted]
    keys = keys_of_hex(sample.id for sample in labelled)
    unknown = rows_at(keys_of(snapshot.entries.lookup(keys)), keys) < 0
    unknown &= rows_at(snapshot.removed, keys) < 0
    missing = [sample for sample, absent in zip(labelled, unknown.tolist(), strict=True) if absent]
    if not missing:
        repository.refs.compare_and_set(mark, seen, now)
    return missing
