"""Whether anything lies on two sides of a split: a group, or copies of one recording; and what that would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataset.similar.gap import SplitGap
from dataset.similar.values import Cluster, DuplicateReport, SampleRow

__all__ = ["LeakReport", "leak_check", "units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakReport:
    """What crosses the split of a dataset version.

    Attributes:
        dataset: its name and number.
        samples: how many it has. unreadable: how many of them could be compared by their bytes only.
        groups_across: groups with samples in two parts; a version that this project made has none.
        clusters_across: copies in two parts.
        told_apart: copies with two labels, wherever they are.
        copied_tests: samples of the test part that have a copy in the training part.
        gap: honest against random split; None where ``gap_missing`` says why.
    """

    dataset: str
    samples: int
    unreadable: int
    groups_across: tuple[str, ...]
    clusters_across: tuple[Cluster, ...]
    told_apart: tuple[Cluster, ...]
    copied_tests: int
    gap: SplitGap | None = None
    gap_missing: str = ""

    @property
    def leaks(self) -> bool:
        return bool(self.groups_across or self.clusters_across)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "samples": self.samples,
            "unreadable": self.unreadable,
            "leaks": self.leaks,
            "groups_across": list(self.groups_across),
            "clusters_across": [cluster.as_dict() for cluster in self.clusters_across],
            "told_apart": [cluster.as_dict() for cluster in self.told_apart],
            "copied_tests": self.copied_tests,
            "gap": self.gap.as_dict() if self.gap else None,
            "gap_missing": self.gap_missing,
        }


def leak_check(
    dataset: str,
    rows: Sequence[SampleRow],
    duplicates: DuplicateReport,
    *,
    gap: SplitGap | None = None,
    gap_missing: str = "",
) -> LeakReport:
    """Look for groups and copies on two sides.

    Args:
        rows: the entries of a dataset version. duplicates: what ``find_duplicates`` found among them.
        gap: from ``split_gap``, if it was measured.
    """
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row.group, set()).add(row.part)
    across = tuple(cluster for cluster in duplicates.clusters if len(cluster.parts) > 1)
    copied = [
        sum(member.part == "test" for member in cluster.members) for cluster in across if "train" in cluster.parts
    ]
    return LeakReport(
        dataset=dataset,
        samples=len(rows),
        unreadable=len(duplicates.unreadable),
        groups_across=tuple(sorted(group for group, found in parts.items() if len(found) > 1)),
        clusters_across=across,
        told_apart=tuple(cluster for cluster in duplicates.clusters if len(cluster.labels) > 1),
        copied_tests=sum(copied),
        gap=gap,
        gap_missing=gap_missing,
    )


def units(rows: Sequence[SampleRow], duplicates: DuplicateReport) -> list[str]:
    """For each row what it must stay together with: its group, joined with the groups that copies bridge.

    Returns: one name for each row; rows with the same name are not independent.
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := parent.get(group, group)) != group:
            parent[group] = parent.get(above, above)
            group = above
        return group

    for cluster in duplicates.clusters:
        first, *others = (root(group) for group in cluster.groups)
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return [root(row.group) for row in rows]
