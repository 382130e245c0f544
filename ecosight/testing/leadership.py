"""What every ``Leadership`` must do: one leads, another takes over in time, and only one can write."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from ecosight.errors import Conflict
from ecosight.ports import Fence, Leadership, Routings
from ecosight.testing.clock import ManualClock
from ecosight.testing.routings import a_routing

__all__ = ["LeadershipConformance"]

Claim = Callable[..., Leadership]


class LeadershipConformance:
    """Fixture ``claim``: makes the claim of a process, ``claim(holder, clock)``, with a lease of 3 s.
    Fixture ``routings``: an empty Routings in the same place. Both without any leader before.
    """

    def test_one_leads_and_keeps_its_number(self, claim: Claim, clock: ManualClock) -> None:
        one, two = claim("one", clock), claim("two", clock)
        numbers = set()
        for _ in range(10):
            numbers.add(_lead(one).number)
            assert two.try_lead() is None
            clock.advance(1)
        assert len(numbers) == 1

    def test_another_takes_over_with_a_higher_number_when_the_leader_is_silent(
        self, claim: Claim, clock: ManualClock
    ) -> None:
        one, two = claim("one", clock), claim("two", clock)
        old = _lead(one)
        taken_after = 0
        while two.try_lead() is None:
            clock.advance(1)
            taken_after += 1
        assert 2 <= taken_after <= 4
        assert one.try_lead() is None
        assert _lead(two).number == old.number + 1

    def test_who_resigns_is_replaced_at_once(self, claim: Claim, clock: ManualClock) -> None:
        one, two = claim("one", clock), claim("two", clock)
        old = _lead(one)
        one.resign()
        assert _lead(two).number > old.number
        assert one.try_lead() is None

    def test_resigning_without_leading_changes_nothing(self, claim: Claim, clock: ManualClock) -> None:
        one, two = claim("one", clock), claim("two", clock)
        two.resign()
        fence = _lead(one)
        two.resign()
        assert _lead(one).number == fence.number

    def test_who_resigned_and_leads_again_has_a_new_number(self, claim: Claim, clock: ManualClock) -> None:
        one = claim("one", clock)
        old = _lead(one)
        one.resign()
        clock.jump(-3600)
        assert _lead(one).number > old.number

    def test_a_leader_that_slept_cannot_write(self, claim: Claim, clock: ManualClock, routings: Routings) -> None:
        one, two = claim("one", clock), claim("two", clock)
        old = _lead(one)
        assert routings.move(a_routing(1), fence=old)
        two.try_lead()
        clock.advance(4)
        new = _lead(two)
        with pytest.raises(Conflict):
            routings.move(a_routing(2, why="slept"), fence=old)
        assert routings.move(a_routing(2), fence=new)
        assert routings.current() == a_routing(2)

    def test_a_late_leader_writes_as_long_as_nobody_took_over(
        self, claim: Claim, clock: ManualClock, routings: Routings
    ) -> None:
        fence = _lead(claim("one", clock))
        clock.advance(3600)
        assert routings.move(a_routing(1), fence=fence)

    @pytest.mark.parametrize("skew_s", [-3600, -2, 2, 3600])
    def test_clocks_that_disagree_cost_one_take_over_at_most(
        self, claim: Claim, clock: ManualClock, skew_s: float
    ) -> None:
        theirs = ManualClock()
        theirs.jump(skew_s)
        one, two = claim("one", clock), claim("two", theirs)
        led = []
        for _ in range(20):
            led += [name for name, each in (("one", one), ("two", two)) if each.try_lead() is not None]
            clock.advance(1)
            theirs.advance(1)
        changes = sum(before != after for before, after in pairwise(led))
        assert changes <= 1
        assert len(led) <= 21  # at every moment one leads; at the take-over, both thought so in turn

    @pytest.mark.parametrize("jump_s", [-86_400, 86_400])
    def test_a_leader_that_dies_after_its_clock_jumped_is_replaced_in_time(
        self, claim: Claim, clock: ManualClock, jump_s: float
    ) -> None:
        ours = ManualClock()
        one, two = claim("one", clock), claim("two", ours)
        _lead(one)
        clock.jump(jump_s)
        one.try_lead()
        for _ in range(5):
            two.try_lead()
            ours.advance(1)
        assert two.try_lead() is not None

    def test_of_many_that_begin_at_once_one_leads(self, claim: Claim, clock: ManualClock) -> None:
        claims = [claim(f"process {number}", clock) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            fences = list(pool.map(lambda each: each.try_lead(), claims))
        assert sum(fence is not None for fence in fences) == 1


def _lead(claim: Leadership) -> Fence:
    fence = claim.try_lead()
    assert fence is not None
    return fence
