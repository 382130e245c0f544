"""Owns asking a search for duplicates which of a commit's new samples are copies of each other or of older ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dataset.entries import Entry
from dataset.lines.branches import MAIN
from dataset.parting.copies import NearDuplicates, Unsearched
from ecosight.progress import NullProgress

if TYPE_CHECKING:
    from dataset.similar import DuplicateReport, SampleRow
    from dataset.versions import DatasetRepository
    from ecosight.config import Config
    from ecosight.ports import Progress

__all__ = ["pairs_by_search", "pairs_of_project"]

Search = Callable[[Sequence["SampleRow"]], "DuplicateReport"]


def pairs_by_search(repository: DatasetRepository, search: Search, branch: str = MAIN) -> NearDuplicates:
    """Pairs of copies, found by a search over the branch's newest version and what is new.

    Args:
        search: such as ``dataset.similar.find_duplicates`` with a store of fingerprints.
    """

    def pairs(new: Sequence[str]) -> Iterable[tuple[str, str]]:
        head = repository.head(branch)
        known = list(head.entries) if head is not None else []
        fresh = frozenset(new)
        rows = [entry for entry in known if entry.sample_id not in fresh]
        rows += [Entry(sample_id=id, label="", group=id, part="", source="", size_bytes=0) for id in new]
        for cluster in search(rows).clusters:
            members = sorted({member.sample_id for member in cluster.members})
            # All members against one that is new: enough to hold the whole cluster together.
            if newest := [sample_id for sample_id in members if sample_id in fresh]:
                yield from ((newest[0], other) for other in members if other != newest[0])

    return pairs


def pairs_of_project(
    repository: DatasetRepository, config: Config, *, branch: str = MAIN, progress: Progress | None = None
) -> NearDuplicates:
    """Pairs of copies as the configured modality tells them. Where it can't, or shall not, the versions say so."""

    def pairs(new: Sequence[str]) -> Iterable[tuple[str, str]] | Unsearched:
        from dataset.similar import FingerprintStore, find_duplicates
        from ecosight.plugins import open_modality

        if not config.dataset.near_duplicates:
            return Unsearched("dataset.near_duplicates is off in the configuration")
        if (make := getattr(open_modality(config), "fingerprinter", None)) is None:
            return Unsearched(f"the modality {config.project.modality!r} has no fingerprints to compare")
        store = FingerprintStore(config.cache_folder / "fingerprints", make(), repository.blobs)
        return pairs_by_search(
            repository, lambda rows: find_duplicates(rows, store, progress or NullProgress()), branch
        )(new)

    return pairs
