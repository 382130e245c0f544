"""Owns which part a group belongs to: train, val or test; for good, and stratified as far as groups allow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from dataset.covering import Need, cover
from ecosight.errors import InvalidInput
from ecosight.ids import content_digest

__all__ = ["PARTS", "DatasetSplitter"]

PARTS = ("train", "val", "test")
_COVERAGE_ORDER = ("train", "test", "val")
"""A class with one group is trained on; with two it is also tested; with three also validated."""


class DatasetSplitter:
    """Assigns whole groups to parts. Deterministic, and independent of the order of its input. Stateless.

    First every class gets a group in every part, as far as it has groups; then the largest groups first go
    where the class is furthest below its target (greedy iterative stratification over groups).

    Args:
        ratios: the target shares of train, val and test: each above 0, together 1.
        seed: orders groups of equal size; another seed gives another, equally good split.
    Raises: InvalidInput: the ratios are not shares of these three parts.
    Source: Sechidis, Tsoumakas, Vlahavas (2011), "On the Stratification of Multi-Label Data".
    """

    def __init__(self, ratios: Mapping[str, float], seed: int) -> None:
        if set(ratios) != set(PARTS) or min(ratios.values()) <= 0 or abs(sum(ratios.values()) - 1) > 1e-6:
            raise InvalidInput(
                f"the split ratios {dict(ratios)} need train, val and test, each above 0, together 1",
                hint="For example train 0.72, val 0.13, test 0.15.",
            )
        self.ratios = {part: float(ratios[part]) for part in PARTS}
        self.seed = seed

    def assign(self, groups: Mapping[str, Mapping[str, int]], fixed: Mapping[str, str] | None = None) -> dict[str, str]:
        """The part of every group.

        Args:
            groups: group -> label -> how many samples, of the whole dataset.
            fixed: group -> part, from earlier versions; these never change. Groups that are not in
                ``groups`` any more are passed over.
        Returns: group -> part, for every group in ``groups``.
        Raises: InvalidInput: a fixed part is not one of the three.
        """
        kept = {group: part for group, part in (fixed or {}).items() if group in groups}
        if unknown := set(kept.values()) - set(PARTS):
            raise InvalidInput(f"there is no part {min(unknown)!r}", hint=f"Parts are {', '.join(PARTS)}.")
        ledger = _Ledger(self.ratios, groups)
        for group, part in kept.items():
            ledger.place(group, part)
        # Ordered by content, never by arrival: the same groups give the same split in any order.
        free = sorted(set(groups) - set(kept), key=lambda group: (-ledger.size(group), self._rank(group), group))
        for group, part in self._cover(ledger, free).items():
            ledger.place(group, part)
        for group in free:
            if group not in ledger.parts:
                ledger.place(group, ledger.neediest(group))
        return {group: ledger.parts[group] for group in groups}

    def _cover(self, ledger: _Ledger, free: list[str]) -> dict[str, str]:
        """Parts for the groups that bring a class into a part where it is missing.

        Classes with groups for all three parts come first; the rest take what is left to them.
        """
        covered: dict[str, str] = {}
        for least in (len(PARTS), 1):
            left = [group for group in free if group not in covered]
            needs = ledger.needs(left, covered, least)
            covered |= cover(needs, {group: ledger.groups[group] for group in left}, ledger.distance)
        return covered

    def _rank(self, group: str) -> str:
        return content_digest(f"{self.seed}\x1f{group}".encode())


class _Ledger:
    """What was placed so far, against what each class should have in each part."""

    def __init__(self, ratios: Mapping[str, float], groups: Mapping[str, Mapping[str, int]]) -> None:
        self.groups = {group: {label: n for label, n in counts.items() if n > 0} for group, counts in groups.items()}
        self.parts: dict[str, str] = {}
        self._ratios = ratios
        self._totals: Counter[str] = Counter()
        self._group_counts: Counter[str] = Counter()
        self._placed: dict[str, Counter[str]] = defaultdict(Counter)
        for counts in self.groups.values():
            self._totals.update(counts)
            self._group_counts.update(counts.keys())

    def size(self, group: str) -> int:
        return sum(self.groups[group].values())

    def place(self, group: str, part: str) -> None:
        self.parts[group] = part
        for label, count in self.groups[group].items():
            self._placed[label][part] += count

    def needs(self, free: Iterable[str], covered: Mapping[str, str], least: int) -> list[Need]:
        """The (class, part) pairs that lack a sample, of classes with at least ``least`` groups in all.

        A class asks for no more parts than it has free groups.
        """
        available = Counter(label for group in free for label in self.groups[group])
        present = {(label, part) for label, placed in self._placed.items() for part, count in placed.items() if count}
        present |= {(label, part) for group, part in covered.items() for label in self.groups[group]}
        needs: list[Need] = []
        for label in sorted(available):
            if self._group_counts[label] >= least:
                missing = [(label, part) for part in _COVERAGE_ORDER if (label, part) not in present]
                needs += missing[: available[label]]
        return needs

    def distance(self, group: str, need: Need) -> float:
        """How far the group alone is from what the class should have in that part."""
        label, part = need
        return abs(self.groups[group][label] - self._ratios[part] * self._totals[label])

    def neediest(self, group: str) -> str:
        """The part that the group brings closest to its targets; a rare class weighs as much as a common one."""

        def gain(part: str) -> float:
            total = 0.0
            for label, count in sorted(self.groups[group].items()):
                lacking = self._ratios[part] * self._totals[label] - self._placed[label][part]
                total += count * lacking / self._totals[label] ** 2
            return round(total, 12)

        return max(PARTS, key=gain)  # the first of equals: train, then val, then test
