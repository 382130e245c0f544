"""Schedules in cron's language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ecosight.errors import ConfigError
from training.cron import check_expression, next_run

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("* * * * *", datetime(2026, 5, 1, 12, 1, tzinfo=UTC)),
        ("0 12 * * *", datetime(2026, 5, 2, 12, 0, tzinfo=UTC)),
        ("0 2 * * 0", datetime(2026, 5, 3, 2, 0, tzinfo=UTC)),
        ("0 2 * * sun", datetime(2026, 5, 3, 2, 0, tzinfo=UTC)),
        ("*/15 8-17 * * 1-5", datetime(2026, 5, 1, 12, 15, tzinfo=UTC)),
        ("30 6 1 1,7 *", datetime(2026, 7, 1, 6, 30, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 13 * 5", datetime(2026, 5, 8, tzinfo=UTC)),  # as in cron: the 13th or a Friday
    ],
)
def test_the_next_time_is_the_first_one_later(expression, due):
    assert next_run(expression, NOON) == due


def test_times_are_utc_whatever_zone_is_asked_in():
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    found = next_run("0 2 * * *", tokyo)
    assert found == datetime(2026, 5, 2, 2, 0, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "expression", ["", "every sunday", "* * * *", "0 0 2 * * 0", "61 * * * *", "0 0 31 2 *", "x * * * *", "@daily"]
)
def test_what_is_no_schedule_is_told_in_a_sentence(expression):
    with pytest.raises(ConfigError, match="is no schedule") as caught:
        check_expression(expression)
    assert "minute hour day month weekday" in caught.value.hint


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        next_run("* * * * *", datetime(2026, 5, 1))  # noqa: DTZ001
