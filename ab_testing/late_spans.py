"""Comparisons that begin anew while a rollout lasts, so that a model which goes bad after hours is found as soon as one
that is bad at once.

The comparison of the whole rollout grows slow with age: what went well for hours weighs against what goes wrong now,
and a key that was ever bad cannot be bad again. So every ten minutes another one begins, which knows nothing of before
and lasts twenty; two of them are under way at any time. Each is as good a test as the whole is, since what it begins
with, a moment, has nothing to do with what was seen; ``soft_trips`` divides the error rate among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ab_testing.evidence import Lately
from ab_testing.span import Span, Stages
from ecosight.rollouts import Exposure, Rollout

__all__ = ["EVERY_S", "LateSpans"]

EVERY_S = 600.0


class LateSpans:
    """Those of one rollout that are under way. Used by one thread; exposures may come in any order.

    Args:
        began_at: of the rollout. Its first ten minutes belong to the whole alone.
    """

    def __init__(self, began_at: datetime, stages: Stages) -> None:
        self._began_at, self._stages = began_at, stages
        self._spans: dict[int, Span] = {}

    def of(self, exposure: Exposure) -> Iterator[Span]:
        """The spans that an exposure lies in: none where they are over."""
        newest = int((exposure.at - self._began_at).total_seconds() // EVERY_S)
        if newest > max(self._spans, default=0):
            kept = {number: span for number, span in self._spans.items() if number >= newest - 1}
            fresh = {number: Span(self._stages) for number in (newest - 1, newest) if number > 0}
            self._spans = {**fresh, **kept}
        return (self._spans[number] for number in (newest - 1, newest) if number in self._spans)

    def compared(self, name: str, rollout: Rollout) -> Iterator[Lately]:
        """A candidate beside the control, the span that began first at first."""
        for number, span in sorted(self._spans.items()):
            counts = span.look(rollout.candidates, rollout.threshold_ms).compared(name)
            # Not of each key its first wrong answer: who asks every minute has one soon, from a good model too.
            counts = replace(counts, wrong=span.judged(name))
            yield Lately(number=number, since_s=number * EVERY_S, counts=counts)
