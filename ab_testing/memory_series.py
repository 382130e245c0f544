"""Keeps what servers said about the memory of isolated arms: the candidate's beside the control's.

A series is of one life of one process. A process that starts anew warms up anew, so its series begins anew as well. A
new leader goes on from what the servers remember themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ab_testing.evidence import MemorySeries
from ab_testing.memory_trail import MemoryTrail
from ecosight.rollouts import ServerReport

__all__ = ["MemoryKeeper"]

MOST_POINTS = 240
"""Four minutes are known by the second, an hour by the quarter of a minute. They are stored with every decision."""
FORGET_S = 60.0
OLD_ENOUGH = 0.5
"""A pair of processes younger than this part of the oldest pair is not the one to look at: it only warms up."""


@dataclass(frozen=True, slots=True)
class _Life:
    """One process."""

    process: tuple[Any, Any]
    trail: MemoryTrail


class MemoryKeeper:
    """Lives by server and arm. Used by one thread."""

    def __init__(self) -> None:
        self._lives: dict[str, dict[str, _Life]] = {}
        self._heard: dict[str, datetime] = {}

    def add(self, now: datetime, servers: Sequence[ServerReport]) -> None:
        """Note what the servers say of arms that are loaded."""
        now_s = now.timestamp()
        for server in servers:
            self._heard[server.server_id] = now
            lives = self._lives.setdefault(server.server_id, {})
            for name, told in server.arms.items():
                if not told.get("rss_mb") or told.get("state", "ready") != "ready":
                    continue
                process = _process(told)
                if name not in lives or lives[name].process != process:
                    lives[name] = _Life(process, MemoryTrail.retold(told.get("memory", ()), now_s, MOST_POINTS))
                lives[name].trail.note(now_s, float(told["rss_mb"]))
        for server_id, heard in list(self._heard.items()):
            if (now - heard).total_seconds() > FORGET_S:
                del self._heard[server_id], self._lives[server_id]

    def series(self, arm: str, control: str) -> tuple[MemorySeries, MemorySeries]:
        """Of the server where the arm grew most beyond the control: both series.

        Returns: (minutes, MB) since the younger of the two processes was first seen loaded; empty where no server has
            both. Only processes of one server are compared.
        """
        pairs = list(self._pairs(arm, control))
        oldest = max((_age(ours) for ours, _ in pairs), default=0.0)
        pairs = [pair for pair in pairs if _age(pair[0]) >= OLD_ENOUGH * oldest]
        return max(pairs, key=lambda pair: _growth(pair[0]) - _growth(pair[1]), default=((), ()))

    def _pairs(self, arm: str, control: str) -> Iterator[tuple[MemorySeries, MemorySeries]]:
        for lives in self._lives.values():
            if arm in lives and control in lives:
                both = (lives[arm].trail, lives[control].trail)
                since_s = max(trail.points[0][0] for trail in both)
                ours, theirs = (_since(trail, since_s) for trail in both)
                if ours and theirs:
                    yield ours, theirs


def _process(told: Mapping[str, Any]) -> tuple[Any, Any]:
    """Which life of the process it is: a system gives the same number again at some time."""
    return told.get("pid"), told.get("restarts")


def _since(trail: MemoryTrail, since_s: float) -> MemorySeries:
    return tuple((round((at - since_s) / 60, 4), round(rss_mb, 2)) for at, rss_mb in trail.points if at >= since_s)


def _age(series: MemorySeries) -> float:
    return series[-1][0]


def _growth(series: MemorySeries) -> float:
    """MB over the newer two thirds."""
    minutes = series[-1][0]
    return series[-1][1] - next(mb for minute, mb in series if minute >= minutes / 3)
