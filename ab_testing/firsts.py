"""Of each key the earliest that was noted of it, counted as it comes: keys are many, and counts are asked for often.

What a key meets later does not count. One that moves from one arm to another would count in both, and those that stayed
would all lie in the stage in which they came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import KeysView
from typing import Any, Generic, TypeVar

__all__ = ["Firsts", "KeyStages"]

What = TypeVar("What", bound=tuple[Any, ...])


class Firsts(Generic[What]):
    """Used by one thread. Notes may come in any order and twice.

    Attributes:
        counts: keys by what was noted of them first.
    """

    __slots__ = ("_first", "counts")

    def __init__(self) -> None:
        self.counts: Counter[What] = Counter()
        self._first: dict[str, tuple[tuple[Any, ...], What]] = {}

    def note(self, key: str, rank: tuple[Any, ...], what: What) -> None:
        """What was seen of a key. The lowest rank is the earliest; the same rank once more is a correction."""
        known = self._first.get(key)
        if known is not None:
            if known[0] < rank:
                return
            self.counts[known[1]] -= 1
        self._first[key] = rank, what
        self.counts[what] += 1

    def of(self, key: str) -> What | None:
        known = self._first.get(key)
        return None if known is None else known[1]

    def rank(self, key: str) -> tuple[Any, ...]:
        return self._first[key][0]

    def keys(self) -> KeysView[str]:
        return self._first.keys()


class KeyStages(dict[str, int]):
    """From keys to the stage of their first event of a kind, in little memory: of each key there are many of these.

    Written by ``note`` and ``forget`` alone.

    Attributes:
        counts: keys by stage.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()

    def note(self, key: str, stage: int) -> None:
        """Rows may come out of order: the first event is the one of the lowest stage."""
        known = self.get(key)
        if known is not None:
            if known <= stage:
                return
            self.counts[known] -= 1
        self[key] = stage
        self.counts[stage] += 1

    def forget(self, key: str) -> None:
        """It never happened."""
        known = self.pop(key, None)
        if known is not None:
            self.counts[known] -= 1
