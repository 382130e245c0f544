"""Owns asking for the near-duplicates of a commit's new samples, as the configured modality tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dataset.entries import Entry
from dataset.lines.branches import MAIN
from dataset.parting.copies import NearDuplicates, Unsearched
from ecosight.progress import NullProgress

if TYPE_CHECKING:
    from dataset.similar import DuplicateReport
    from dataset.versions import DatasetRepository
    from ecosight.config import Config
    from ecosight.ports import Progress

__all__ = ["pairs_of_project"]


def pairs_of_project(
    repository: DatasetRepository, config: Config, *, branch: str = MAIN, progress: Progress | None = None
) -> NearDuplicates:
    """Pairs of copies among what is new and the branch's newest version. Where it can't, or shall not, look, it says
    so."""

    def pairs(new: Sequence[str]) -> Iterable[tuple[str, str]] | Unsearched:
        from dataset.similar import FingerprintStore, find_duplicates
        from ecosight.plugins import open_modality

        if not config.dataset.near_duplicates:
            return Unsearched("dataset.near_duplicates is off in the configuration")
        if (make := getattr(open_modality(config), "fingerprinter", None)) is None:
            return Unsearched(f"the modality {config.project.modality!r} has no fingerprints to compare")
        store = FingerprintStore(config.cache_folder / "fingerprints", make(), repository.blobs)
        head, fresh = repository.head(branch), frozenset(new)
        known = head.sample_ids - fresh if head is not None else ()
        rows = [
            Entry(sample_id=each, label="", group=each, part="", source="", size_bytes=0) for each in (*known, *new)
        ]
        return _joined(find_duplicates(rows, store, progress or NullProgress(), new=fresh), fresh)

    return pairs


def _joined(report: DuplicateReport, new: frozenset[str]) -> Iterable[tuple[str, str]]:
    """All members of a cluster against one that is new: enough to hold the whole cluster together."""
    for cluster in report.clusters:
        members = sorted({member.sample_id for member in cluster.members})
        if newest := [sample_id for sample_id in members if sample_id in new]:
            yield from ((newest[0], other) for other in members if other != newest[0])
