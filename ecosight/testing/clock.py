"""What every ``Clock`` must do, and a clock that tests can move."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from ecosight.ports import Clock

__all__ = ["ClockConformance", "ManualClock"]


class ManualClock:
    """A clock that stands still until it is moved. Thread-safe."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = datetime(2026, 5, 1, 12, tzinfo=UTC) if start is None else start
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP may; no time passes."""
        with self._lock:
            self._now += timedelta(seconds=seconds)


class ClockConformance:
    """Fixture ``clock``: a Clock."""

    def test_now_is_aware_and_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_sleeping_lets_time_pass_on_both_scales(self, clock: Clock) -> None:
        moment, count = clock.now(), clock.monotonic()
        clock.sleep(0.01)
        assert clock.monotonic() - count >= 0.01
        assert clock.now() > moment

    def test_monotonic_never_runs_backwards(self, clock: Clock) -> None:
        counts = [clock.monotonic() for _ in range(100)]
        assert counts == sorted(counts)
