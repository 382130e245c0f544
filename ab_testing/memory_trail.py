"""The memory of one process over time, in few points that lie evenly however long it lives.

Its server keeps one and tells it with every report; whoever leads keeps a finer one, and begins with what the server
remembers: who leads changes with every restart, and a leak must not be found later for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

__all__ = ["MemoryTrail"]

EVERY_S = 1.0
_TOLERANCE_S = 0.25


class MemoryTrail:
    """Used by one thread.

    Args:
        most: at so many points every second one goes, and from then on they are noted half as often.

    Attributes:
        points: (second of the caller's clock, MB), by time.
    """

    __slots__ = ("_every_s", "_most", "points")

    def __init__(self, most: int, points: Iterable[tuple[float, float]] = ()) -> None:
        self._most = most
        self.points = sorted(points)
        spans = len(self.points) - 1
        self._every_s = max(EVERY_S, (self.points[-1][0] - self.points[0][0]) / spans) if spans > 0 else EVERY_S

    def note(self, now_s: float, rss_mb: float) -> None:
        """What it is now; nothing where that was noted a moment ago."""
        if self.points and now_s < self.points[-1][0]:  # a clock was set back: what was noted goes with it
            back_s = self.points[-1][0] - now_s
            self.points = [(at - back_s, mb) for at, mb in self.points]
        if self.points and now_s - self.points[-1][0] < self._every_s - _TOLERANCE_S:
            return
        self.points.append((now_s, rss_mb))
        if len(self.points) >= self._most:
            del self.points[1::2]
            self._every_s *= 2

    def told(self, now_s: float) -> list[tuple[float, float]]:
        """(seconds ago, MB), by time: means the same to whoever has another clock."""
        return [(round(now_s - at, 1), mb) for at, mb in self.points]

    @classmethod
    def retold(cls, told: Iterable[Sequence[float]], now_s: float, most: int) -> Self:
        """What ``told`` said, by the clock of the one who hears it."""
        return cls(most, ((now_s - ago_s, mb) for ago_s, mb in told))
