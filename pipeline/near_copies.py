"""Says for one command whether its commits look for near-duplicates, on which branch, and shows how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["guard_against_copies"]


def guard_against_copies(bench: Workbench, *, branch: str = "main", wanted: bool = True) -> None:
    """Let the commits of this command to a branch look for near-duplicates among what is new, or not."""
    from dataset.parting.near_pairs import pairs_of_project
    from ecosight.progress import terminal_progress

    looks = wanted and bench.config.dataset.near_duplicates
    bench.datasets.near_duplicates = (
        pairs_of_project(bench.datasets, bench.config, branch=branch, progress=terminal_progress()) if looks else None
    )
