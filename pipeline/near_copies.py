"""Connects the search for copies with the commits of datasets: near-duplicates stay on one side of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataset.similar import DuplicateReport, SampleRow
    from pipeline.wiring import Workbench

__all__ = ["guard_against_copies"]


def guard_against_copies(bench: Workbench, *, branch: str, wanted: bool) -> bool:
    """Let the next commit look for near-duplicates among what is new. Returns whether it will.

    A modality that cannot tell what copies have in common has none to look for.
    """
    make = getattr(bench.modality, "fingerprinter", None) if wanted else None
    if make is None:
        return False
    from dataset.parting.near_pairs import pairs_by_search
    from dataset.similar import FingerprintStore, find_duplicates
    from ecosight.progress import terminal_progress

    store = FingerprintStore(bench.config.cache_folder / "fingerprints", make(), bench.blobs)

    def search(rows: Sequence[SampleRow]) -> DuplicateReport:
        return find_duplicates(rows, store, terminal_progress())

    bench.datasets.near_duplicates = pairs_by_search(bench.datasets, search, branch)
    return True
