"""What every ``Routings`` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from ecosight.ports import Routings
from ecosight.rollouts import Arm, Routing
from ecosight.values import ModelRef

__all__ = ["RoutingsConformance", "a_routing"]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def a_routing(epoch: int, rollout_id: str = "", *, minutes: float = 0, why: str = "a test") -> Routing:
    """A routing with every field filled."""
    model, old = (ModelRef(name="ecosight", version=version, digest=version * 64) for version in "21")
    return Routing(
        epoch=epoch,
        arms=(Arm(name="champion", model=old, weight=9_000), Arm(name="candidate", model=model, isolated=True)),
        made_at=NOON + timedelta(minutes=minutes, microseconds=7),
        actor="ann",
        why=why,
        rollout_id=rollout_id,
        salt=f"salt of {rollout_id}",
        stage=epoch,
        standby=(model,),
    )


class RoutingsConformance:
    """Fixture ``routings``: an empty Routings."""

    def test_before_the_first_there_is_none(self, routings: Routings) -> None:
        assert (routings.current(), routings.epoch(), routings.at(NOON), routings.history()) == (None, 0, None, [])

    def test_a_routing_comes_back_as_it_was(self, routings: Routings) -> None:
        assert routings.move(a_routing(1, "r"))
        assert routings.current() == a_routing(1, "r")
        assert routings.epoch() == 1

    def test_an_epoch_is_written_once(self, routings: Routings) -> None:
        assert routings.move(a_routing(1, why="first"))
        assert not routings.move(a_routing(1, why="second"))
        assert routings.history() == [a_routing(1, why="first")]

    def test_no_epoch_is_left_out(self, routings: Routings) -> None:
        assert not routings.move(a_routing(2))
        assert routings.move(a_routing(1))
        assert not routings.move(a_routing(3))
        assert not routings.move(a_routing(0))
        assert routings.epoch() == 1

    def test_what_was_in_force_then(self, routings: Routings) -> None:
        for epoch in (1, 2, 3):
            routings.move(a_routing(epoch, minutes=10 * epoch))
        asked = [routings.at(NOON + timedelta(minutes=minutes)) for minutes in (9, 11, 29, 31, 9_999)]
        assert [found and found.epoch for found in asked] == [None, 1, 2, 3, 3]

    def test_of_moments_that_a_jumping_clock_gave_twice_the_last_counts(self, routings: Routings) -> None:
        for epoch, minutes in ((1, 0), (2, 60), (3, 10)):  # the second was made while the clock ran an hour ahead
            routings.move(a_routing(epoch, minutes=minutes))
        found = routings.at(NOON + timedelta(minutes=61))
        assert found is not None
        assert found.epoch == 3

    def test_the_history_is_oldest_first_of_one_rollout_or_of_all(self, routings: Routings) -> None:
        for epoch, rollout in enumerate(["", "a", "a", "", "b"], start=1):
            routings.move(a_routing(epoch, rollout))
        assert [each.epoch for each in routings.history()] == [1, 2, 3, 4, 5]
        assert [each.epoch for each in routings.history("a")] == [2, 3]
        assert [each.epoch for each in routings.history("")] == [1, 4]
        assert [each.epoch for each in routings.history(limit=2)] == [4, 5]

    def test_of_many_writers_at_once_one_wins_each_epoch(self, routings: Routings) -> None:
        def move(writer: int) -> bool:
            return routings.move(a_routing(1, why=f"writer {writer}"))

        with ThreadPoolExecutor(8) as pool:
            won = [writer for writer, did in enumerate(pool.map(move, range(16))) if did]
        assert len(won) == 1
        assert [each.why for each in routings.history()] == [f"writer {won[0]}"]
