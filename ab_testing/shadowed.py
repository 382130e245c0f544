"""A shadow's answers beside the champion's, to the same requests."""

from __future__ import annotations

from dataclasses import dataclass

from ab_testing.stats.pairs import PairCounts
from ecosight.rollouts import Exposure

__all__ = ["ShadowedAnswers"]


@dataclass(slots=True)
class _Pair:
    ours: str
    champions: str
    truth: str = ""


class ShadowedAnswers:
    """Of one rollout, by shadow. Each request is one pair. Used by one thread."""

    def __init__(self) -> None:
        self._pairs: dict[str, dict[str, _Pair]] = {}

    def add(self, exposure: Exposure) -> None:
        """An answer of a shadow that did not fail."""
        pair = _Pair(exposure.label, exposure.champion_label)
        self._pairs.setdefault(exposure.intended, {})[exposure.id] = pair

    def label(self, exposure: Exposure, truth: str) -> None:
        """The truth about an answer that was added."""
        self._pairs[exposure.intended][exposure.id].truth = truth

    def counts(self, shadow: str) -> PairCounts:
        agreed = ours = theirs = neither = pending = 0
        for pair in self._pairs.get(shadow, {}).values():
            if pair.ours == pair.champions:
                agreed += 1
            elif not pair.truth:
                pending += 1
            else:
                ours += pair.ours == pair.truth
                theirs += pair.champions == pair.truth
                neither += pair.truth not in (pair.ours, pair.champions)
        return PairCounts(
            agreed=agreed, candidate_right=ours, control_right=theirs, neither_right=neither, pending=pending
        )
