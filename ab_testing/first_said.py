"""Of each key the first label that it was told, by the arm and at the stage that told it.

What a key is told later does not count: one that moves from one arm to another would count in both, and those that
stayed would all lie in the stage in which they came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime

__all__ = ["FirstSaid"]


class FirstSaid:
    """Used by one thread. Answers may come in any order and twice.

    Attributes:
        keys: how many, by (label, stage, arm). Counted as they come: there are many, and they are asked for often.
    """

    def __init__(self) -> None:
        self.keys: Counter[tuple[str, int, str]] = Counter()
        self._first: dict[str, tuple[int, datetime, str, str]] = {}

    def note(self, key: str, *, stage: int, at: datetime, arm: str, label: str) -> None:
        """What an arm said of a key, which may be the first that was said of it."""
        known, said = self._first.get(key), (stage, at, arm, label)
        if known is not None:
            if known <= said:
                return
            self.keys[known[3], known[0], known[2]] -= 1
        self._first[key] = said
        self.keys[label, stage, arm] += 1

    def by(self, arm: str, keys: Collection[str]) -> Iterator[tuple[str, int]]:
        """(label, stage) of those of the keys to which this arm spoke first."""
        for key in keys:
            said = self._first.get(key)
            if said is not None and said[2] == arm:
                yield said[3], said[0]
