"""The clocks, and times written one way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ecosight.clock import SystemClock, iso
from ecosight.testing import ClockConformance, ManualClock


class TestSystemClock(ClockConformance):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()


class TestManualClock(ClockConformance):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = ManualClock()
    before, count = clock.now(), clock.monotonic()
    clock.jump(-60)
    assert clock.now() == before - timedelta(seconds=60)
    assert clock.monotonic() == count


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert iso(datetime(2026, 5, 1, 12, tzinfo=UTC)) == "2026-05-01T12:00:00.000Z"
    there = datetime(2026, 5, 1, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert iso(there) == "2026-05-01T10:00:00.999Z"


def test_a_naive_time_is_not_written() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        iso(datetime(2026, 5, 1))  # noqa: DTZ001
