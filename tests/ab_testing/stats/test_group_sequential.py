from __future__ import annotations

import numpy as np
import pytest

from ab_testing.stats.group_sequential import obrien_fleming_boundaries, spent
from ecosight.errors import InvalidInput


def test_boundaries_are_the_published_ones() -> None:
    # Lan-DeMets programs (Reboussin et al. 2000), O'Brien-Fleming type, two-sided .05, five equal looks.
    found = obrien_fleming_boundaries((0.2, 0.4, 0.6, 0.8, 1.0))
    assert found == pytest.approx((4.8769, 3.3569, 2.6803, 2.2898, 2.0310), abs=2e-4)
    assert obrien_fleming_boundaries((1.0,)) == pytest.approx((1.95996,), abs=1e-4)


def test_boundaries_of_earlier_looks_do_not_depend_on_later_ones() -> None:
    assert obrien_fleming_boundaries((0.3, 0.5)) == obrien_fleming_boundaries((0.3, 0.5, 0.9))[:2]


def test_all_of_alpha_is_spent_at_the_end_and_little_before() -> None:
    assert spent(1.0, 0.05) == pytest.approx(0.05)
    assert spent(2.0, 0.05) == pytest.approx(0.05)
    assert spent(0.5, 0.05) == pytest.approx(0.00305, abs=1e-5)
    assert spent(0.0, 0.05) == 0.0


@pytest.mark.parametrize("looks", [(0.1, 0.2, 0.5, 0.95, 1.0), tuple((np.arange(20) + 1) / 20)])
def test_unevenly_spaced_looks_reject_with_probability_alpha(looks: tuple[float, ...]) -> None:
    rng = np.random.default_rng(9)
    steps = np.diff([0.0, *looks])
    score = np.cumsum(rng.normal(0, np.sqrt(steps), (40_000, len(looks))), axis=1)
    rejected = (np.abs(score / np.sqrt(looks)) >= obrien_fleming_boundaries(looks)).any(axis=1).mean()
    assert rejected == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize("looks", [(), (0.0, 1.0), (0.5, 0.5), (0.5, 0.4), (0.5, 1.1)])
def test_looks_must_rise_to_the_planned_end(looks: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        obrien_fleming_boundaries(looks)
