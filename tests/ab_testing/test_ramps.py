"""The ways back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_testing.ramps import Ramp, canary_ramp, gradual_ramp, immediate_ramp
from ecosight.errors import InvalidInput


def test_a_canary_goes_down_the_steps_it_came_up_by() -> None:
    assert canary_ramp(50, [5, 10, 25, 50, 100]).percents == (25, 10, 5, 0)
    assert canary_ramp(100, [5, 10, 25, 50, 100]).percents == (50, 25, 10, 5, 0)
    assert canary_ramp(5, [5, 10]).percents == (0,)


def test_a_gradual_way_back_has_equal_parts() -> None:
    assert gradual_ramp(50, 5).percents == (40, 30, 20, 10, 0)
    assert gradual_ramp(50, 1) == Ramp(mode="gradual", percents=(0.0,), step_s=60.0)


@given(st.floats(0, 100), st.lists(st.floats(0.01, 100), max_size=6), st.integers(1, 20))
def test_every_way_back_falls_to_nothing_and_survives_a_round_trip(now: float, steps: list[float], parts: int) -> None:
    for ramp in (canary_ramp(now, steps), gradual_ramp(now, parts), immediate_ramp()):
        assert ramp.percents[-1] == 0
        assert all(percent < max(now, 1e-9) for percent in ramp.percents[:-1])
        assert Ramp.from_dict(ramp.as_dict()) == ramp


@pytest.mark.parametrize("percents", [(), (10.0,), (10.0, 20.0, 0.0), (100.0, 0.0), (5.0, 5.0, 0.0)])
def test_what_is_no_way_back_is_refused(percents: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        Ramp(mode="canary", percents=percents)
