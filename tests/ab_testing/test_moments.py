"""Times as people write them at night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ab_testing.moments import parse_moment
from ecosight.errors import InvalidInput

NOW = datetime(2026, 5, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOW),
        ("09:30", NOW),
        ("03:12", datetime(2026, 5, 2, 3, 12, tzinfo=UTC)),
        ("3:12:07", datetime(2026, 5, 2, 3, 12, 7, tzinfo=UTC)),
        ("23:59", datetime(2026, 5, 1, 23, 59, tzinfo=UTC)),
        (" 2026-05-01 03:12 ", datetime(2026, 5, 1, 3, 12, tzinfo=UTC)),
        ("2026-05-01T03:12:00Z", datetime(2026, 5, 1, 3, 12, tzinfo=UTC)),
        ("2026-05-01T03:12:00+02:00", datetime(2026, 5, 1, 1, 12, tzinfo=UTC)),
    ],
)
def test_a_time_means_the_last_such_moment_and_utc_unless_it_says_so(text, meant):
    assert parse_moment(text, NOW) == meant
    assert parse_moment(text, NOW.astimezone(timezone(timedelta(hours=9)))) == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "25:00", "03:61", "2026-05-01", "03", "2026-13-01T00:00", "0001-01-01T00:00+23:00", "\x00"],
)
def test_what_is_no_moment_is_refused_with_an_example(text):
    with pytest.raises(InvalidInput, match="is no time") as caught:
        parse_moment(text, NOW)
    assert "03:12" in caught.value.hint


def test_the_future_is_not_known():
    with pytest.raises(InvalidInput, match="future"):
        parse_moment("2026-05-02T09:30:01Z", NOW)
