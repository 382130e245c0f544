"""When a cron expression is due next, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from ecosight.errors import ConfigError

__all__ = ["check_expression", "next_run"]

FIELDS = 5


def next_run(expression: str, after: datetime) -> datetime:
    """The first minute after ``after`` that the expression matches.

    Args:
        expression: minute, hour, day of month, month, day of week, as Debian's cron reads them, in UTC:
            ``0 2 * * 0`` is every Sunday at 02:00. Names (``SUN``, ``JAN``), lists, ranges and steps work.
        after: aware; the result is strictly later.
    Returns: aware, UTC, whole minutes.
    Raises: ConfigError: no such expression, or one that never comes due. ValueError: ``after`` is naive.
    """
    from cronsim import CronSim, CronSimError

    if after.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be scheduled: {after!r}")
    if len(expression.split()) != FIELDS:
        raise _bad(expression, f"it has {len(expression.split())} fields, not {FIELDS}")
    try:
        return next(CronSim(expression.upper(), after.astimezone(UTC)))
    except CronSimError as error:
        raise _bad(expression, str(error)) from error
    except StopIteration as error:
        raise _bad(expression, "it never comes due") from error


def check_expression(expression: str) -> None:
    """Raises: ConfigError: the expression cannot be used."""
    next_run(expression, datetime(2000, 1, 1, tzinfo=UTC))


def _bad(expression: str, why: str) -> ConfigError:
    return ConfigError(
        f"{expression!r} is no schedule: {why}",
        hint="Five fields: minute hour day month weekday, in UTC; '0 2 * * 0' is every Sunday at 02:00.",
    )
