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

from ab_testing.compared import Lately
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
        self._now: int | None = None
        self._spans: dict[int, Span] = {}

    def of(self, exposure: Exposure) -> Iterator[Span]:
        """The spans that an exposure lies in: none where they are over."""
        newest = self._number(exposure.at)
        for number in (newest - 1, newest):
            if number > 0 and (self._now is None or self._now - 1 <= number <= self._now + 1):
                yield self._span(number)

    def reach(self, now: datetime) -> None:
        """Let those go that are over by now, and those that only a clock that is ahead has begun."""
        self._now = current = self._number(now)
        self._spans = {number: span for number, span in self._spans.items() if current - 1 <= number <= current + 1}

    def compared(self, name: str, rollout: Rollout) -> Iterator[Lately]:
        """A candidate beside the control, the span that began first at first."""
        for number, span in sorted(self._spans.items()):
            if self._now is not None and number > self._now:
                continue
            counts = span.look(rollout.candidates, rollout.threshold_ms).compared(name)
            # Not of each key its first wrong answer: who asks every minute has one soon, from a good model too.
            counts = replace(counts, wrong=span.judged(name))
            yield Lately(number=number, since_s=number * EVERY_S, counts=counts)

    def _span(self, number: int) -> Span:
        if number not in self._spans:
            self._spans[number] = Span(self._stages)
        return self._spans[number]

    def _number(self, moment: datetime) -> int:
        return int((moment - self._began_at).total_seconds() // EVERY_S)
