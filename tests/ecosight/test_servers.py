"""What servers say of themselves: the newest word counts, and the silent are not waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ecosight.rollouts import ServerReport
from ecosight.state import Database
from ecosight.state.servers import Servers

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def report(name: str, seconds: float = 0, **changes: object) -> ServerReport:
    values = {
        "server_id": name,
        "host": "field-7",
        "pid": 4711,
        "started_at": NOON,
        "seen_at": NOON + timedelta(seconds=seconds),
        "epoch": 3,
        "loaded": {"d" * 64: "ready", "e" * 64: "loading"},
        "arms": {"candidate": {"state": "tripped", "rss_mb": 312.5, "crashed_at": ["2026-05-01T12:00:00Z"]}},
    }
    return ServerReport(**(values | changes))  # type: ignore[arg-type]


def live(servers: Servers, seconds: float, within_s: float = 5.0) -> list[str]:
    return [each.server_id for each in servers.live(NOON + timedelta(seconds=seconds), within_s)]


@pytest.fixture
def servers(database: Database) -> Servers:
    return Servers(database)


def test_the_newest_word_of_a_server_counts(servers: Servers) -> None:
    servers.report(report("one"))
    newer = report("one", 1, epoch=4, loaded={}, arms={})
    servers.report(newer)
    assert servers.live(NOON + timedelta(seconds=1)) == [newer]


def test_a_report_comes_back_as_it_was(servers: Servers) -> None:
    servers.report(report("one"))
    assert servers.live(NOON) == [report("one")]


def test_a_silent_server_is_not_waited_for(servers: Servers) -> None:
    servers.report(report("dead"))
    servers.report(report("alive", 4))
    assert live(servers, 4) == ["alive", "dead"]
    assert live(servers, 6) == ["alive"]
    assert live(servers, 6, within_s=10) == ["alive", "dead"]


def test_a_server_that_died_before_its_clock_was_set_back_is_not_waited_for(servers: Servers) -> None:
    servers.report(report("dead", 3600))
    servers.report(report("alive", 1))
    assert live(servers, 1) == ["alive"]


def test_a_clock_that_runs_hours_ahead_forgets_nobody(servers: Servers) -> None:
    servers.report(report("alive"))
    servers.report(report("ahead", 36_000))
    assert live(servers, 0) == ["alive"]


def test_who_stops_in_order_is_forgotten_at_once(servers: Servers) -> None:
    servers.report(report("one"))
    servers.report(report("two"))
    servers.forget("one")
    servers.forget("unknown")
    assert live(servers, 0) == ["two"]


def test_servers_that_died_days_ago_are_cleared_away(servers: Servers) -> None:
    servers.report(report("old"))
    servers.report(replace(report("new"), seen_at=NOON + timedelta(days=3)))
    assert live(servers, 0) == []


def test_the_oldest_server_comes_first(servers: Servers) -> None:
    servers.report(report("b", started_at=NOON - timedelta(hours=1)))
    servers.report(report("c"))
    servers.report(report("a"))
    assert live(servers, 0) == ["b", "a", "c"]
