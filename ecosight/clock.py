"""The real clock, and the times of day written the one way used everywhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["SystemClock", "iso"]


class SystemClock:
    """The machine's own clock. Stateless and thread-safe."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: ``2026-05-01T12:00:00.000Z``.

    Raises: ValueError: the moment is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be written: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
