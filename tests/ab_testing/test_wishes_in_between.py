"""A wish that comes while a leader looks holds from then on: the leader moves nothing by the row as it was before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import Aliases, RolloutWorld

from ecosight.errors import Conflict
from ecosight.state.rollouts import RolloutStore
from ecosight.values import ModelRef

QUICK: dict[str, Any] = {"steps": [50, 100], "min_units": 5, "min_step_s": 5, "reference_requests": 20}


class Meanwhile:
    """The store of rollouts; somebody acts right after the leader has read the row."""

    def __init__(self, store: RolloutStore, act: Callable[[], Any]) -> None:
        self._store, self._act = store, act

    def active(self) -> Any:
        row = self._store.active()
        self._act()
        return row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize(
    ("state", "wish"), [("running", "abort"), ("running", "roll_back"), ("promoting", "roll_back")]
)
def test_nobody_meets_the_candidate_after_it(site: RolloutWorld, state: str, wish: str) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.seconds(30, 20, until=site.is_in("running", stage=1))
    site.second(20)
    if state == "promoting":
        site.service.promote(actor="ann")
    else:
        site.service.pause(actor="ann")

    def act() -> None:
        getattr(site.service, wish)(actor="bob")
        moved_at.append(site.routing.epoch)

    moved_at: list[int] = []
    late = site.controller("late", guard=lambda part: Meanwhile(part, act) if part is site.rollouts else part)
    with suppress(Conflict):
        late.tick()
    for routing in site.routings.history():
        if routing.epoch >= moved_at[0]:
            assert [arm.model for arm in routing.arms] == [OLD]
    assert site.aliases.named["champion"] == OLD
    site.seconds(5, until=site.is_in("aborted", "rolled_back"))


class Slow:
    """The registry; somebody acts while the alias is being moved to the candidate."""

    def __init__(self, registry: Aliases, act: Callable[[], Any]) -> None:
        self._registry, self._act = registry, act

    def set_alias(self, name: str, ref: ModelRef, **more: Any) -> None:
        if (name, ref) == ("champion", NEW):
            self._act()
        self._registry.set_alias(name, ref, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


def test_the_alias_names_no_taken_back_model_until_the_next_look(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.service.promote(actor="ann")

    def act() -> None:
        site.service.roll_back(actor="bob")

    site.leader = site.controller("slow", guard=lambda part: Slow(part, act) if part is site.aliases else part)
    site.seconds(5, until=lambda: site.rollout.state in ("rolling_back", "rolled_back"))
    assert site.aliases.named["champion"] == OLD
    site.seconds(5, until=site.is_in("rolled_back"))
