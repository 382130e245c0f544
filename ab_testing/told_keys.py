"""Of each key the first answer whose truth was told: one label a key, whatever arm gave it, however often it asks.

Rates of wrong answers rest on these. A key that moves from one arm to another and is labelled in both would otherwise
count for the arm that it left with the answers that it had there, and for the other one with those that are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import KeysView
from datetime import datetime

__all__ = ["ToldKeys"]


class ToldKeys:
    """Used by one thread. Truths may come in any order, twice, and be corrected.

    Attributes:
        units, wrong: keys by (arm, stage) of that answer, and those of them for which it was wrong.
    """

    def __init__(self) -> None:
        self.units: Counter[tuple[str, int]] = Counter()
        self.wrong: Counter[tuple[str, int]] = Counter()
        self._first: dict[str, tuple[int, datetime, str, str, bool]] = {}

    def tell(self, key: str, *, stage: int, at: datetime, answer: str, arm: str, wrong: bool) -> None:
        """The truth about an answer, given at this stage and moment by the arm."""
        known, told = self._first.get(key), (stage, at, answer, arm, wrong)
        if known is not None and known[:3] < told[:3]:
            return
        if known is not None:
            self._count(known, -1)
        self._first[key] = told
        self._count(told, 1)

    def keys(self) -> KeysView[str]:
        return self._first.keys()

    def _count(self, told: tuple[int, datetime, str, str, bool], by: int) -> None:
        stage, _, _, arm, wrong = told
        self.units[arm, stage] += by
        self.wrong[arm, stage] += by * wrong
