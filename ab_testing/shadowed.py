"""A shadow's answers beside the champion's to the same requests, one pair a key: its first."""

from __future__ import annotations

from ab_testing.firsts import Firsts
from ab_testing.stats.pairs import PairCounts
from ecosight.rollouts import Exposure

__all__ = ["ShadowedAnswers"]


class ShadowedAnswers:
    """Of one rollout, by shadow. Used by one thread; exposures and truths may come in any order."""

    def __init__(self) -> None:
        self._pairs: dict[str, Firsts[tuple[str]]] = {}

    def add(self, exposure: Exposure) -> None:
        """An answer of a shadow that did not fail."""
        self._note(exposure, "agreed" if exposure.label == exposure.champion_label else "pending")

    def label(self, exposure: Exposure, truth: str) -> None:
        """The truth about an answer that was added; another one than before corrects it."""
        ours, champions = exposure.label, exposure.champion_label
        if ours == champions:
            return
        winners = {ours: "candidate_right", champions: "control_right"}
        self._note(exposure, winners.get(truth, "neither_right"))

    def counts(self, shadow: str) -> PairCounts:
        pairs = self._pairs.get(shadow)
        return PairCounts(**{kind: keys for (kind,), keys in pairs.counts.items()}) if pairs else PairCounts()

    def _note(self, exposure: Exposure, kind: str) -> None:
        pairs = self._pairs.setdefault(exposure.intended, Firsts())
        pairs.note(exposure.key, (exposure.stage, exposure.at, exposure.id), (kind,))
