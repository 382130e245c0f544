"""Owns finding groups so that every class is seen in every part: greedy first, a bounded search where that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["Need", "cover"]

Need = tuple[str, str]
"""(class, part) that still lacks a sample."""

_SEARCH_NEEDS = 60
_SEARCH_STEPS = 5_000


def cover(
    needs: Sequence[Need],
    groups: Mapping[str, Mapping[str, int]],
    distance: Callable[[str, Need], float],
) -> dict[str, str]:
    """Choose a part for as many groups as are needed to meet the needs; all of them if that was found possible.

    Args:
        needs: the classes and the parts they are missing in; earlier ones win where two are equally scarce.
        groups: the free groups and their classes, in the order in which equals are taken.
        distance: how badly a group fits a need; the best fitting is taken first.
    Returns: group -> part, for the chosen groups only.
    """
    placed: dict[str, str] = {}
    for component in _components(needs, groups):
        problem = _Problem(component, groups, distance)
        chosen, unmet = problem.greedy()
        if unmet and len(component) <= _SEARCH_NEEDS:
            chosen = problem.search() or chosen
        placed |= chosen
    return placed


def _components(needs: Sequence[Need], groups: Mapping[str, Mapping[str, int]]) -> list[list[Need]]:
    """Needs that can hinder each other: their classes share a group, directly or through others."""
    leader: dict[str, str] = {}

    def find(label: str) -> str:
        leader.setdefault(label, label)
        while leader[label] != label:
            label = leader[label]
        return label

    for labels in groups.values():
        first, *rest = labels or [""]
        for label in rest:
            leader[find(label)] = find(first)
    found: dict[str, list[Need]] = {}
    for need in needs:
        found.setdefault(find(need[0]), []).append(need)
    return list(found.values())


class _Problem:
    """One component: its needs, and the groups that could meet them."""

    def __init__(
        self,
        needs: Sequence[Need],
        groups: Mapping[str, Mapping[str, int]],
        distance: Callable[[str, Need], float],
    ) -> None:
        self._needs = {need: order for order, need in enumerate(needs)}
        self._distance = distance
        labels = {label for label, _ in needs}
        # A group matters for coverage by the classes that lack something, and by nothing else.
        self._labels = {group: frozenset(counts) & labels for group, counts in groups.items() if labels & counts.keys()}
        self._order = {group: order for order, group in enumerate(self._labels)}
        self._members: dict[str, list[str]] = {label: [] for label in labels}
        for group, its_labels in self._labels.items():
            for label in its_labels:
                self._members[label].append(group)
        self._steps = _SEARCH_STEPS

    def greedy(self) -> tuple[dict[str, str], set[Need]]:
        """The scarcest need first, each met by the group that meets most at once. Returns also what stays unmet."""
        placed: dict[str, str] = {}
        unmet, hopeless = set(self._needs), set()
        while unmet:
            need = self._scarcest(unmet, placed)
            candidates = self._candidates(need, unmet, placed)
            if candidates:
                placed[candidates[0]] = need[1]
                unmet -= self._met(candidates[0], need[1])
            else:
                hopeless.add(need)
                unmet.discard(need)
        return placed, hopeless

    def search(self) -> dict[str, str] | None:
        """A placing that meets every need, or None if there is none or it was not found within the steps."""
        return self._search({}, set(self._needs))

    def _search(self, placed: dict[str, str], unmet: set[Need]) -> dict[str, str] | None:
        if not unmet:
            return placed
        need = self._scarcest(unmet, placed)
        for group in self._candidates(need, unmet, placed):
            self._steps -= 1
            if self._steps < 0:
                return None
            result = self._search({**placed, group: need[1]}, unmet - self._met(group, need[1]))
            if result is not None:
                return result
        return None

    def _scarcest(self, unmet: set[Need], placed: Mapping[str, str]) -> Need:
        """The need with the fewest groups for each part that its class still lacks."""
        free = {label: sum(group not in placed for group in self._members[label]) for label, _ in unmet}
        lacking: dict[str, int] = {}
        for label, _ in unmet:
            lacking[label] = lacking.get(label, 0) + 1
        return min(unmet, key=lambda need: (free[need[0]] - lacking[need[0]], self._needs[need]))

    def _candidates(self, need: Need, unmet: set[Need], placed: Mapping[str, str]) -> list[str]:
        label, part = need
        free = [group for group in self._members[label] if group not in placed]
        return sorted(
            free,
            key=lambda group: (
                -len(self._met(group, part) & unmet),
                self._distance(group, need),
                self._order[group],
            ),
        )

    def _met(self, group: str, part: str) -> set[Need]:
        return {(label, part) for label in self._labels[group]}
