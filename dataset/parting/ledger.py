"""Owns the tally of what every class has in every part, against what it should have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dataset.entries import PARTS
from dataset.parting.covering import Need

__all__ = ["COVERAGE_ORDER", "Counts", "Ledger", "Standing"]

COVERAGE_ORDER = ("train", "test", "val")
"""A class with one group is trained on; with two it is also tested; with three also validated."""

Counts = tuple[tuple[str, int], ...]
"""(label, samples) of one group, in order of the label. Equal ones are one object: most groups look alike."""

Standing = Mapping[str, Mapping[str, int]]
"""label -> part -> samples that have their part already."""

_FIRST, _NEAREST = 128, 64
_CLEAR = 1e-11


class Ledger:
    """What was placed so far. The free groups count towards the totals from the start.

    Args:
        ratios: target shares of the parts.
        free: the groups that are to be placed.
        standing: what has its part already.
        standing_groups: label -> groups that have their part; None: at least one for each part with samples.
    """

    def __init__(
        self,
        ratios: Mapping[str, float],
        free: Mapping[str, Counts],
        standing: Standing,
        standing_groups: Mapping[str, int] | None = None,
    ) -> None:
        self.free = free
        self.parts: dict[str, str] = {}
        self._ratios = [ratios[part] for part in PARTS]
        self._placed: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._totals: Counter[str] = Counter()
        self._groups: Counter[str] = Counter(standing_groups or {})
        self._free_groups: Counter[str] = Counter()
        for label, parts in standing.items():
            self._placed[label] = [parts.get(part, 0) for part in PARTS]
            self._totals[label] = sum(self._placed[label])
            if standing_groups is None:
                self._groups[label] = sum(map(bool, self._placed[label]))
        for counts, many in Counter(free.values()).items():
            for label, count in counts:
                self._totals[label] += many * count
                self._free_groups[label] += many
        self._groups.update(self._free_groups)

    def place(self, group: str, part: str) -> None:
        self.parts[group] = part
        column = PARTS.index(part)
        for label, count in self.free[group]:
            self._placed[label][column] += count
            self._free_groups[label] -= 1

    def needs(self, covered: Mapping[str, str], least: int) -> list[Need]:
        """The (class, part) pairs that lack a sample, of classes with at least ``least`` groups in all.

        A class asks for no more parts than it has free groups.
        """
        available = Counter(self._free_groups)
        present = {
            (label, part) for label, row in self._placed.items() for part, n in zip(PARTS, row, strict=True) if n
        }
        for group, part in covered.items():
            for label, _ in self.free[group]:
                present.add((label, part))
                available[label] -= 1
        needs: list[Need] = []
        for label in sorted(label for label, many in available.items() if many > 0):
            if self._groups[label] >= least:
                missing = [(label, part) for part in COVERAGE_ORDER if (label, part) not in present]
                needs += missing[: available[label]]
        return needs

    def candidates(self, needs: Sequence[Need], order: Iterable[str]) -> dict[str, dict[str, int]]:
        """The groups that could meet the needs, in the given order.

        Of a class with hundreds of groups some are enough: the first, and those closest to each target.
        """
        import numpy as np

        wanted: dict[str, list[str]] = {label: [] for label, _ in needs}
        for group in order:
            for label, _ in self.free[group]:
                if label in wanted:
                    wanted[label].append(group)
        chosen: set[str] = set()
        for label, groups in wanted.items():
            if len(groups) <= _FIRST + len(PARTS) * _NEAREST:
                chosen.update(groups)
                continue
            chosen.update(groups[:_FIRST])
            counts = np.array([next(n for name, n in self.free[group] if name == label) for group in groups])
            for share in self._ratios:
                nearest = np.argsort(np.abs(counts - share * self._totals[label]), kind="stable")[:_NEAREST]
                chosen.update(groups[row] for row in nearest.tolist())
        return {group: dict(self.free[group]) for group in order if group in chosen}

    def distance(self, group: str, need: Need) -> float:
        """How far the group alone is from what the class should have in that part."""
        label, part = need
        return abs(dict(self.free[group])[label] - self._ratios[PARTS.index(part)] * self._totals[label])

    def place_rest(self, order: Iterable[str]) -> None:
        """Place every group where it brings its classes closest to their targets; a rare class weighs as much
        as a common one, and the first of equal parts is taken: train, then val, then test."""
        first, second, third = self._ratios
        targets = {label: (first * n, second * n, third * n) for label, n in self._totals.items()}
        squares = {label: n**2 for label, n in self._totals.items()}
        for group in order:
            train = val = test = 0.0
            for label, count in self.free[group]:
                target, placed, weight = targets[label], self._placed[label], squares[label]
                train += count * (target[0] - placed[0]) / weight
                val += count * (target[1] - placed[1]) / weight
                test += count * (target[2] - placed[2]) / weight
            if train > val + _CLEAR and train > test + _CLEAR:
                column = 0
            elif val > train + _CLEAR and val > test + _CLEAR:
                column = 1
            elif test > train + _CLEAR and test > val + _CLEAR:
                column = 2
            else:  # too close to trust the last digits
                gains = (round(train, 12), round(val, 12), round(test, 12))
                column = gains.index(max(gains))
            self.parts[group] = PARTS[column]
            for label, count in self.free[group]:
                self._placed[label][column] += count
