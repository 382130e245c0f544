"""Lets the commits of one command look for near-duplicates on its branch, and show how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["guard_against_copies"]


def guard_against_copies(bench: Workbench, *, branch: str = "main") -> None:
    """Let the commits of this command to a branch look for near-duplicates among what is new, in sight."""
    from dataset.parting.near_pairs import pairs_of_project
    from ecosight.progress import terminal_progress

    bench.datasets.near_duplicates = pairs_of_project(
        bench.datasets, bench.config, branch=branch, progress=terminal_progress()
    )
