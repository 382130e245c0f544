"""What is kept of the memory of arms: one life of each process, of the server where the candidate grew most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ab_testing.evidence import MemorySeries
from ab_testing.memory_series import MOST_POINTS, MemoryKeeper
from ab_testing.memory_trail import MemoryTrail
from ab_testing.stats.growth import GrowthEstimate, memory_growth
from ecosight.rollouts import ServerReport
from ecosight.seeds import generator

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
REMEMBERED = 60


def report(server: str, at: datetime, **arms: dict[str, Any]) -> ServerReport:
    return ServerReport(server_id=server, host="h", pid=1, started_at=BEGAN, seen_at=at, epoch=2, loaded=(), arms=arms)


def arm(rss_mb: float | None, *, pid: int = 10, restarts: int = 0, state: str = "ready") -> dict[str, Any]:
    return {"state": state, "pid": pid, "rss_mb": rss_mb, "restarts": restarts}


def watched(
    minutes: float, told: Callable[[float], dict[str, dict[str, dict[str, Any]]]], keeper: MemoryKeeper | None = None
) -> tuple[MemorySeries, MemorySeries]:
    """Looks once a second. ``told``: minutes to servers to arms."""
    keeper = keeper or MemoryKeeper()
    for second in range(round(60 * minutes) + 1):
        at = BEGAN + timedelta(seconds=second)
        keeper.add(at, [report(server, at, **arms) for server, arms in told(second / 60).items()])
    return keeper.series("candidate", "control")


def noise(minute: float, seed: int = 0) -> float:
    return float(generator(41, seed, round(600 * minute)).normal(0, 1))


def grown(both: tuple[MemorySeries, MemorySeries], **rules: Any) -> GrowthEstimate:
    return memory_growth(*both, **rules)


@pytest.mark.parametrize(("after_min", "found_by"), [(10.0, 10.5), (1.0, 2.0)])
def test_a_leak_of_20_mb_a_minute_is_found_as_soon_as_the_policy_lets_it(after_min: float, found_by: float) -> None:
    both = watched(
        found_by,
        lambda m: {"a": {"candidate": arm(500 + 20 * m + noise(m) / 4), "control": arm(500 + noise(m, 1) / 4, pid=11)}},
    )
    assert grown(both, after_min=after_min).leaks


def test_the_clock_begins_when_the_younger_one_is_loaded() -> None:
    def told(minute: float) -> dict[str, Any]:
        candidate = arm(100 + 200 * minute, state="loading") if minute < 3 else arm(700)
        return {"a": {"candidate": candidate, "control": arm(600, pid=11)}}

    ours, theirs = watched(5, told)
    assert ours[0] == (0.0, 700)
    assert ours[-1][0] == pytest.approx(2.0)
    assert theirs[0][0] == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize("who", ["candidate", "control"])
def test_a_process_that_starts_anew_begins_a_series_of_its_own(who: str) -> None:
    def told(minute: float) -> dict[str, Any]:
        anew = {"pid": 20, "restarts": 1} if minute >= 8 else {}
        rss = 500 + 30 * min(minute, 8) if minute < 8 else 520
        arms = {name: arm(500, pid=index) for index, name in enumerate(("candidate", "control"))}
        return {"a": arms | {who: arm(rss, **anew)}}

    both = watched(12, told)
    assert both[0][-1][0] == pytest.approx(4.0, abs=0.1)
    assert max(mb for series in both for _, mb in series) <= 520
    assert grown(both).slope is None


def test_the_same_number_of_a_process_started_anew_is_another_life() -> None:
    ours, _ = watched(
        4,
        lambda m: {"a": {"candidate": arm(500 if m < 3 else 200, restarts=int(m >= 3)), "control": arm(500, pid=11)}},
    )
    assert {mb for _, mb in ours} == {200}


def test_processes_are_compared_within_a_server_and_the_worst_one_is_shown() -> None:
    def told(minute: float) -> dict[str, Any]:
        return {
            name: {"candidate": arm(500 + slope * minute), "control": arm(400 + 9 * minute, pid=11)}
            for name, slope in (("a", 9), ("b", 12), ("c", 5))
        } | {"d": {"candidate": arm(100 + 99 * minute)}}

    both = watched(10, told)
    assert grown(both).slope == pytest.approx(3.0, abs=0.01)


def test_a_server_whose_processes_have_just_started_does_not_hide_a_leak_elsewhere() -> None:
    def told(minute: float) -> dict[str, Any]:
        young = {"candidate": arm(500 + 400 * (minute - 11), pid=30), "control": arm(500, pid=31)}
        leaking = {"candidate": arm(500 + 5 * minute), "control": arm(500, pid=11)}
        return {"a": leaking} | ({"b": young} if minute >= 11 else {})

    assert grown(watched(12, told)).leaks


def test_a_server_that_is_gone_is_forgotten() -> None:
    def told(minute: float) -> dict[str, Any]:
        there = {"candidate": arm(500 + 50 * minute), "control": arm(500, pid=11)}
        return {"b": {"candidate": arm(500), "control": arm(500, pid=11)}} | ({"a": there} if minute < 5 else {})

    ours, _ = watched(7, told)
    assert {mb for _, mb in ours} == {500}


def test_an_hour_is_kept_in_few_points_that_lie_evenly() -> None:
    ours, theirs = watched(60, lambda m: {"a": {"candidate": arm(500 + m), "control": arm(500, pid=11)}})
    assert len(ours) == len(theirs) <= MOST_POINTS
    apart = np.diff([minute for minute, _ in ours])
    assert apart.max() < 1.5 * np.median(apart)
    assert ours[-1][0] == pytest.approx(60, abs=0.3)
    assert grown((ours, theirs), limit=0.5).leaks


def test_without_a_process_of_each_there_is_nothing_to_compare() -> None:
    assert watched(1, lambda m: {"a": {"candidate": arm(500), "control": arm(None, pid=11)}}) == ((), ())
    assert MemoryKeeper().series("candidate", "control") == ((), ())


@pytest.mark.parametrize("leader_s", [0.0, -3600.0])
def test_a_new_leader_goes_on_from_what_the_servers_remember(leader_s: float) -> None:
    """Its clock is another one; it takes over in the tenth minute of a leak."""
    trails = {name: MemoryTrail(REMEMBERED) for name in ("candidate", "control")}
    keeper = MemoryKeeper()
    for second in range(11 * 60):
        minute = second / 60
        told = {"candidate": 500 + 20 * minute + noise(minute) / 4, "control": 500 + noise(minute, 1) / 4}
        for name, rss_mb in told.items():
            trails[name].note(second, rss_mb)
        if minute < 10:
            continue
        arms = {
            name: arm(rss_mb, pid=pid) | {"memory": trails[name].told(second)}
            for pid, (name, rss_mb) in enumerate(told.items())
        }
        at = BEGAN + timedelta(seconds=second + leader_s)
        keeper.add(at, [report("a", at, **arms)])
    both = keeper.series("candidate", "control")
    assert both[0][-1][0] == pytest.approx(11, abs=0.4)
    assert grown(both, after_min=10.0).leaks


def test_a_clock_that_is_set_back_loses_no_minute_of_a_leak() -> None:
    keeper = MemoryKeeper()
    for second in range(12 * 60):
        minute = second / 60
        at = BEGAN + timedelta(seconds=second) - timedelta(hours=minute >= 6)
        arms = {
            "candidate": arm(500 + 20 * minute + noise(minute) / 4),
            "control": arm(500 + noise(minute, 1) / 4, pid=11),
        }
        keeper.add(at, [report("a", at, **arms)])
    both = keeper.series("candidate", "control")
    assert both[0][-1][0] == pytest.approx(12, abs=0.1)
    assert grown(both, after_min=10.0).leaks
