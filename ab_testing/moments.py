"""Moments as people write them at night: ``03:12``, ``2026-05-01 03:12``, or ISO 8601. Without a zone they are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from ecosight.clock import iso
from ecosight.errors import InvalidInput

__all__ = ["moment_asked_for", "parse_moment"]

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def moment_asked_for(text: str, now: datetime) -> datetime | None:
    """The same, where "now" is no time of a clock but what is in force: None. Raises: InvalidInput."""
    return None if text.strip().lower() == "now" else parse_moment(text, now)


def parse_moment(text: str, now: datetime) -> datetime:
    """The moment that somebody means, in UTC.

    Args:
        text: ``now``; a time of day (the last one that has passed); a day and a time. In UTC unless a zone is given.
        now: aware.
    Raises: InvalidInput: it is no time, or it lies in the future.
    """
    words = text.strip()
    if words.lower() == "now":
        return now.astimezone(UTC)
    moment = _time_of_day(words, now.astimezone(UTC)) or _whole(words)
    if moment > now:
        raise InvalidInput(f"{iso(moment)} lies in the future", hint=f"It is {iso(now)} now.")
    return moment


def _time_of_day(words: str, now: datetime) -> datetime | None:
    found = _CLOCK.fullmatch(words)
    if found is None:
        return None
    try:
        hour, minute, second = (int(part or 0) for part in found.groups())
        at = time(hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise _no_time(words) from error
    today = datetime.combine(now.date(), at)
    return today if today <= now else today - timedelta(days=1)


def _whole(words: str) -> datetime:
    try:
        if ":" not in words:
            raise ValueError("a day is no moment")
        moment = datetime.fromisoformat(words)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # beyond the first or the last year in UTC
        raise _no_time(words) from error


def _no_time(words: str) -> InvalidInput:
    return InvalidInput(
        f"{words[:60]!r} is no time",
        hint="Write 03:12, 2026-05-01T03:12 (both UTC), or 2026-05-01T03:12:00Z; in a URL a + is written %2B.",
    )
