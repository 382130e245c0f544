"""What every store of servers' reports must do: the newest word counts, and the silent are not waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ecosight.rollouts import ServerReport
from ecosight.state.servers import Servers

__all__ = ["ServersConformance", "a_report", "live_ids"]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def a_report(name: str, seconds: float = 0, **changes: Any) -> ServerReport:
    """A report with every field filled, made so many seconds after noon."""
    report = ServerReport(
        server_id=name,
        host="field-7",
        pid=4711,
        started_at=NOON,
        seen_at=NOON + timedelta(seconds=seconds),
        epoch=3,
        loaded={"d" * 64: "ready", "e" * 64: "loading"},
        arms={"candidate": {"state": "tripped", "rss_mb": 312.5, "crashed_at": ["2026-05-01T12:00:00Z"]}},
    )
    return replace(report, **changes)


def live_ids(servers: Servers, seconds: float, within_s: float = 5.0) -> Sequence[str]:
    """Who is live so many seconds after noon."""
    return [each.server_id for each in servers.live(NOON + timedelta(seconds=seconds), within_s)]


class ServersConformance:
    """Fixture ``servers``: an empty store."""

    def test_the_newest_word_of_a_server_counts(self, servers: Servers) -> None:
        servers.report(a_report("one"))
        newer = a_report("one", 1, epoch=4, loaded={}, arms={})
        servers.report(newer)
        assert servers.live(NOON + timedelta(seconds=1)) == [newer]

    def test_a_report_comes_back_as_it_was(self, servers: Servers) -> None:
        servers.report(a_report("one", 0.000007))
        assert servers.live(NOON) == [a_report("one", 0.000007)]

    def test_a_silent_server_is_not_waited_for(self, servers: Servers) -> None:
        servers.report(a_report("dead"))
        servers.report(a_report("alive", 4))
        assert live_ids(servers, 4) == ["alive", "dead"]
        assert live_ids(servers, 6) == ["alive"]
        assert live_ids(servers, 6, within_s=10) == ["alive", "dead"]

    def test_a_server_that_died_before_its_clock_was_set_back_is_not_waited_for(self, servers: Servers) -> None:
        servers.report(a_report("dead", 3600))
        servers.report(a_report("alive", 1))
        assert live_ids(servers, 1) == ["alive"]

    def test_a_clock_that_runs_hours_ahead_forgets_nobody(self, servers: Servers) -> None:
        servers.report(a_report("alive"))
        servers.report(a_report("ahead", 36_000))
        assert live_ids(servers, 0) == ["alive"]

    def test_who_stops_in_order_is_forgotten_at_once(self, servers: Servers) -> None:
        servers.report(a_report("one"))
        servers.report(a_report("two"))
        servers.forget("one")
        servers.forget("unknown")
        assert live_ids(servers, 0) == ["two"]

    def test_the_oldest_server_comes_first(self, servers: Servers) -> None:
        servers.report(a_report("b", started_at=NOON - timedelta(hours=1)))
        servers.report(a_report("c"))
        servers.report(a_report("a"))
        assert live_ids(servers, 0) == ["b", "a", "c"]
