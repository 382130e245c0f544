"""Owns which classes are taken for which: the most frequent confusions, and those that go one way only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluation.errors.mistakes import Mistake

if TYPE_CHECKING:
    from evaluation.predictions import Predictions

__all__ = ["Confusion", "Confusions", "find_confusions"]

_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Samples of one class that were taken for another.

    Attributes:
        truth, label: the class that they carry, and the answer.
        count, group_count: how many samples, and of how many groups. share: of all samples of the class.
        reverse, reverse_group_count: how often it went the other way.
        p_value: how likely so lopsided a pair is if both classes' groups were mistaken equally often; over all
            pairs together. 1 where it does not go this way more often than the other.
        sample_ids: most confident first, and one of each group before the next of any.
    """

    truth: str
    label: str
    count: int
    group_count: int
    share: float
    reverse: int
    reverse_group_count: int
    p_value: float
    sample_ids: tuple[str, ...]

    @property
    def examples(self) -> tuple[str, ...]:
        """Sample ids of the few to look at."""
        return self.sample_ids[:_EXAMPLES]

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "sample_ids"}
        return plain | {"examples": list(self.examples)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusions:
    """The most frequent first, and the most lopsided first, only those that chance does not explain."""

    frequent: tuple[Confusion, ...] = ()
    lopsided: tuple[Confusion, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {name: [each.as_dict() for each in getattr(self, name)] for name in self.__slots__}


def find_confusions(
    predictions: Predictions, mistakes: Sequence[Mistake], *, most: int = 10, alpha: float = 0.05
) -> Confusions:
    """Count them, and compare each with its reverse.

    Args:
        mistakes: all of them, most confident first.
        most: of either kind.
    Source of the p-values: an exact binomial test on groups, Holm (1979) over all pairs of classes that were confused.
    """
    pairs: dict[tuple[str, str], list[Mistake]] = {}
    for each in mistakes:
        pairs.setdefault((each.truth, each.label), []).append(each)
    supports: dict[str, list[str]] = {label: [] for label in predictions.labels}
    for k, group in zip(predictions.truth, predictions.groups, strict=True):
        supports[predictions.labels[k]].append(group)
    counted = [_count(pair, found, pairs, supports) for pair, found in pairs.items()]
    every = _holm(counted)
    frequent = sorted(every, key=lambda each: (-each.count, -each.group_count, each.truth, each.label))
    lopsided = sorted((each for each in every if each.p_value <= alpha), key=lambda each: (each.p_value, -each.count))
    return Confusions(frequent=tuple(frequent[:most]), lopsided=tuple(lopsided[:most]))


def _count(
    pair: tuple[str, str],
    found: Sequence[Mistake],
    pairs: dict[tuple[str, str], list[Mistake]],
    supports: dict[str, list[str]],
) -> Confusion:
    from scipy.stats import binomtest

    truth, label = pair
    back = pairs.get((label, truth), [])
    groups, back_groups = {each.group for each in found}, {each.group for each in back}
    could, could_back = len(set(supports[truth])), len(set(supports[label]))
    # Without samples of the other class it cannot go back, and nothing is known of the way back.
    chance = (
        float(
            binomtest(
                len(groups), len(groups) + len(back_groups), could / (could + could_back), alternative="greater"
            ).pvalue
        )
        if could_back
        else 1.0
    )
    return Confusion(
        truth=truth,
        label=label,
        count=len(found),
        group_count=len(groups),
        share=len(found) / len(supports[truth]),
        reverse=len(back),
        reverse_group_count=len(back_groups),
        p_value=chance,
        sample_ids=_spread(found),
    )


def _holm(confusions: Sequence[Confusion]) -> list[Confusion]:
    """With p-values for all pairs together. A pair is one comparison, whichever way it went more often."""
    order = sorted(confusions, key=lambda each: each.p_value)
    comparisons = len({frozenset((each.truth, each.label)) for each in confusions})
    # Either way of a pair could have been the surprising one.
    made, so_far = [], 0.0
    for rank, each in enumerate(order):
        so_far = max(so_far, min(1.0, 2 * each.p_value * max(1, comparisons - rank)))
        made.append(replace(each, p_value=so_far))
    return made


def _spread(found: Sequence[Mistake]) -> tuple[str, ...]:
    """One of each group before the next of any: copies of one recording tell the same."""
    seen: dict[str, int] = {}
    turns = []
    for each in found:
        turns.append(seen.get(each.group, 0))
        seen[each.group] = turns[-1] + 1
    return tuple(found[k].sample_id for k in sorted(range(len(found)), key=turns.__getitem__))
