"""Keeps what servers said about the memory of isolated arms: the candidate's beside the control's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ab_testing.evidence import MemorySeries
from ecosight.rollouts import ServerReport

__all__ = ["MemoryKeeper"]

EVERY_S = 10.0
MOST_POINTS = 360
"""An hour at full resolution; afterwards every second point goes, again and again."""

Point = tuple[float, dict[str, float]]


class MemoryKeeper:
    """Series by server. Used by one thread."""

    def __init__(self) -> None:
        self._series: dict[str, list[Point]] = {}
        self._began: datetime | None = None

    def add(self, now: datetime, servers: Sequence[ServerReport]) -> None:
        """Note what the servers say, at most once in ``EVERY_S`` seconds each."""
        self._began = self._began or now
        minute = (now - self._began).total_seconds() / 60
        for server in servers:
            points = self._series.setdefault(server.server_id, [])
            if points and minute - points[-1][0] < EVERY_S / 60:
                continue
            rss = {name: float(arm["rss_mb"]) for name, arm in server.arms.items() if arm.get("rss_mb")}
            points.append((minute, rss))
            if len(points) > MOST_POINTS:
                del points[1::2]

    def series(self, arm: str, control: str) -> tuple[MemorySeries, MemorySeries]:
        """Of the server where the arm grew most beyond the control: both series, at the same minutes."""
        best: tuple[float, list[Point]] = (-float("inf"), [])
        for points in self._series.values():
            both = [point for point in points if arm in point[1] and control in point[1]]
            if len(both) < 2:
                continue
            first, last = both[0][1], both[-1][1]
            growth = (last[arm] - first[arm]) - (last[control] - first[control])
            if growth > best[0]:
                best = growth, both
        found = best[1]
        return tuple((minute, rss[arm]) for minute, rss in found), tuple(
            (minute, rss[control]) for minute, rss in found
        )
