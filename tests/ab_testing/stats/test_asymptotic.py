from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ab_testing.stats import Moments
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
