"""Cuts an arm off on this server, at once and without asking anybody, when it does too much harm.

The controller comes to the same verdict from the evidence of all servers, a second or two later.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Breaker"]

WINDOW_S = 60.0
LEAST_FAULTS = 5
MOST_CRASHES = 3
MOST_REQUESTS = 10_000
"""That are looked back at; what came before them is forgotten sooner than the window says."""


class Breaker:
    """Used on one thread at a time. Moments are monotonic seconds and do not fall.

    Attributes:
        tripped: why, in a few words; empty while it is closed. It stays tripped.
    """

    def __init__(self) -> None:
        self._requests: deque[tuple[float, bool]] = deque()
        self._faults = 0
        self._crashes: deque[float] = deque(maxlen=MOST_CRASHES)
        self.tripped = ""

    def request(self, at: float, *, fault: bool) -> None:
        """One request that the arm was asked."""
        self._requests.append((at, fault))
        self._faults += fault
        while self._requests[0][0] < at - WINDOW_S or len(self._requests) > MOST_REQUESTS:
            self._faults -= self._requests.popleft()[1]
        if fault and self._faults >= LEAST_FAULTS and 2 * self._faults > len(self._requests):
            self._trip(f"{self._faults} of the last {len(self._requests)} requests failed")

    def crash(self, at: float) -> None:
        """Its process died."""
        self._crashes.append(at)
        if len(self._crashes) == MOST_CRASHES and self._crashes[0] >= at - WINDOW_S:
            self._trip(f"its process died {MOST_CRASHES} times within {WINDOW_S:.0f} s")

    def non_finite(self) -> None:
        """It gave numbers that are not finite."""
        self._trip("it gave numbers that are not finite")

    def _trip(self, why: str) -> None:
        self.tripped = self.tripped or why
