from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ab_testing.stats import ArmCounts, AssignmentCounts, PairCounts, StatisticalAnalyzer, Verdict
from ab_testing.stats.betting import arms_log_e_not_worse, paired_log_e_not_worse
from ab_testing.stats.conditional import log_e_shares
from ab_testing.stats.forecast import Forecast, make_forecast, spoken_duration, units_until
from ab_testing.stats.ratio import log_e_worse

ANALYZER = StatisticalAnalyzer()


@pytest.mark.parametrize("steps", [0, 1, 2, 37, 1234, 987_654_321])
def test_the_first_crossing_is_found_exactly_where_it_is_one_step(steps: int) -> None:
    found = units_until(lambda units: np.where(units >= steps, 1.0, 0.0), 1.0)
    assert found is not None
    assert steps <= found <= steps * 1.005 + 1


def test_never_is_said() -> None:
    never = make_forecast(lambda units: -units, 1.0, unit="labels", assumption="both stay alike", per_s=1)
    assert never == Forecast(units=None, unit="labels", seconds=None, assumption="both stay alike")
    assert str(never) == "no number of labels would be enough: both stay alike"


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(0.2, "1 s"), (40, "40 s"), (600, "10 min"), (12_600, "3.5 h"), (780_000, "9 days")],
)
def test_durations_are_spoken(seconds: float, spoken: str) -> None:
    assert spoken_duration(seconds) == spoken


def test_the_forecast_of_promotion_comes_true_on_average(first_crossing: Callable[..., Any]) -> None:
    rng = np.random.default_rng(21)
    draws = np.cumsum(rng.multinomial(250, [0.04, 0.92, 0.04], (400, 240)), axis=1)
    log_e = np.concatenate(
        [paired_log_e_not_worse(part[..., 0], part[..., 1], part[..., 2]) for part in np.split(draws, 8)]
    )
    taken = first_crossing(log_e, np.log(20), np.arange(1, 241) * 250)
    told = ANALYZER.non_inferiority(PairCounts(agreed=1)).forecast
    assert told is not None
    assert told.units == pytest.approx(np.mean(taken), rel=0.25)
    assert np.median(taken) < told.units

    units = rng.multinomial(1000, [0.9, 0.05, 0.05], (300, 250)).cumsum(axis=1)[..., None, :]
    log_e = np.concatenate(
        [arms_log_e_not_worse(part[..., 0], part[..., 1], part[..., 2], (0.5,)) for part in np.split(units, 6)]
    )
    taken = first_crossing(log_e, np.log(20), np.arange(1, 251) * 1000)
    told = ANALYZER.non_inferiority(ArmCounts.at(0.5, control=(1, 0), candidate=(1, 0))).forecast
    assert told is not None
    assert told.units == pytest.approx(np.mean(taken), rel=0.25)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_healthy_split_would_most_probably_have_shown_a_tenth_too_many(share: float) -> None:
    def right(units: int) -> AssignmentCounts:
        ours = round(units * share)
        return AssignmentCounts.at((1 - share, share), (units - ours, ours))

    sizes = np.geomspace(200, 10**6, 200).astype(int)
    needed = next(int(n) for n in sizes if ANALYZER.sample_ratio(right(int(n))).verdict is Verdict.HEALTHY)
    told = ANALYZER.sample_ratio(right(300)).forecast
    assert told is not None
    assert told.units == pytest.approx(needed - 300, rel=0.1)
    looks = np.arange(1, 101) * (needed // 100)
    ours = np.random.default_rng(23).binomial(needed // 100, 1.1 * share, (500, 100)).cumsum(axis=1)
    log_e = log_e_shares(np.stack([looks - ours, ours], axis=-1), (1 - share, share))
    assert (log_e >= np.log(1000)).any(axis=1).mean() >= 0.75


@pytest.mark.parametrize(("base", "share"), [(0.005, 0.1), (0.0, 0.1), (0.05, 0.5), (0.02, 0.25)])
def test_healthy_means_that_harm_would_most_probably_have_shown(base: float, share: float) -> None:
    def usual(units: int) -> ArmCounts:
        theirs, ours = round(units * (1 - share)), round(units * share)
        return ArmCounts.at(share, control=(theirs, round(theirs * base)), candidate=(ours, round(ours * base)))

    told = ANALYZER.compare_rates(usual(200)).forecast
    assert told is not None
    needed = next(
        n
        for n in np.geomspace(200, 10**6, 200).astype(int)
        if ANALYZER.compare_rates(usual(n)).verdict is Verdict.HEALTHY
    )
    harmful = max(2 * base, 0.01)
    rng = np.random.default_rng(22)
    ours = rng.binomial(max(1, needed // 100), share, (400, 100))
    bad = rng.binomial(ours, harmful).cumsum(axis=1)[..., None]
    usual_bad = rng.binomial(needed // 100 - ours, base).cumsum(axis=1)[..., None]
    caught = (log_e_worse(usual_bad, bad, (share,)) >= np.log(100)).any(axis=1).mean()
    assert caught >= 0.75
