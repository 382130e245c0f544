from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ab_testing.stats import ArmCounts, Moments, PairCounts, StatisticalAnalyzer
from ab_testing.stats.asymptotic import difference_half_width, difference_interval, mean_interval


def test_the_boundary_is_where_the_normal_mixture_rejects() -> None:
    """Independent: at the edge of the interval the mixture over N(0, ρ²) of normal likelihood ratios is 1/α."""
    n, alpha, sd = 2000, 0.05, 3.0
    half = (mean_interval(Moments(n=n, mean=0.0, m2=sd * sd * (n - 1)), alpha=alpha) or (0, 0))[1]
    score = half / sd * n
    rho = math.sqrt((2 * math.log(20) + math.log1p(2 * math.log(20))) / 5000)
    mixture, _ = integrate.quad(
        lambda shift: math.exp(shift * score - shift * shift * n / 2) * stats.norm.pdf(shift, 0, rho), -0.5, 0.5
    )
    assert mixture == pytest.approx(1 / alpha, rel=1e-4)


def test_the_interval_is_narrowest_for_its_time_where_it_was_told_to_be() -> None:
    at = 5000
    widths = [
        float(difference_half_width(at / 2, 1.0, at / 2, 1.0, sharpest_at=tuned))
        for tuned in (1000, 2500, 5000, 10_000, 25_000)
    ]
    assert min(widths) == pytest.approx(widths[2], rel=0.01)


def test_nothing_is_shown_before_there_are_some_units() -> None:
    many, few = Moments.of_share(50, 500), Moments.of_share(5, 99)
    assert mean_interval(few) is None
    assert difference_interval(many, few) is None
    assert difference_interval(many, many) is not None


def test_it_is_wider_than_a_fixed_horizon_interval_and_not_by_much() -> None:
    a, b = Moments.of_share(250, 2500), Moments.of_share(300, 2500)
    low, high = difference_interval(a, b) or (0.0, 0.0)
    fixed = 1.96 * math.sqrt(a.variance / a.n + b.variance / b.n)
    assert 1.2 < (high - low) / 2 / fixed < 1.7
    assert (low + high) / 2 == pytest.approx(0.02)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_mean_is_covered_at_every_look(alpha: float) -> None:
    rng, missed = np.random.default_rng(11), 0
    for _ in range(300):
        total = Moments()
        for part in rng.exponential(1.0, (40, 50)):
            total += Moments.of(part)
            low, high = mean_interval(total, alpha=alpha) or (-math.inf, math.inf)
            if not low <= 1.0 <= high:
                missed += 1
                break
    assert missed / 300 <= alpha


@pytest.mark.parametrize("share", [0.005, 0.02, 0.995])
def test_a_rare_outcome_that_the_smaller_arm_has_hardly_seen_is_no_difference(share: float) -> None:
    """A tenth for the candidate; judged by its own variance alone, 17 to 37 of 100 equal candidates differ."""
    rng, wrong, runs = np.random.default_rng(5), 0, 200
    at = np.unique(np.geomspace(100, 3000, 30).astype(int))
    for _ in range(runs):
        ours = rng.binomial(np.diff(at, prepend=0), share).cumsum()
        theirs = rng.binomial(np.diff(9 * at, prepend=0), share).cumsum()
        intervals = [
            difference_interval(Moments.of_share(int(k), int(9 * n)), Moments.of_share(int(c), int(n)))
            for n, k, c in zip(at, theirs, ours, strict=True)
        ]
        wrong += any(each is not None and not each[0] <= 0 <= each[1] for each in intervals)
    assert wrong <= 0.05 * runs


def test_the_interval_to_show_knows_of_outcomes_that_did_not_happen_yet() -> None:
    analyzer = StatisticalAnalyzer()
    for result in (
        analyzer.non_inferiority(PairCounts(agreed=100)),
        analyzer.non_inferiority(ArmCounts.at(0.1, control=(90, 0), candidate=(10, 0))),
    ):
        assert result.low is not None
        assert result.high is not None
        assert result.low < -0.03
        assert result.high > 0.03
    rng, missed, truth = np.random.default_rng(6), 0, 0.002 - 0.012
    for _ in range(150):
        seen = rng.multinomial(100, [0.002, 0.012, 0.986], 40).cumsum(axis=0).tolist()
        shown = [
            analyzer.non_inferiority(PairCounts(candidate_right=win, control_right=loss, agreed=same))
            for win, loss, same in seen
        ]
        missed += any(not (each.low or 0.0) <= truth <= (each.high or 0.0) for each in shown)
    assert missed <= 0.05 * 150
