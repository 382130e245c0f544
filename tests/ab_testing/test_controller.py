"""A controller may die at any call: the next one brings the rollout to one whole end, and the aliases agree with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from rollout_kit import BEGAN, NEW, OLD

from ab_testing.controller import RolloutController
from ab_testing.health import Health
from ab_testing.service import RolloutService
from ecosight.clock import SystemClock
from ecosight.config import Config
from ecosight.errors import Conflict, NotFound
from ecosight.rollouts import Rollout, Routing, ServerReport
from ecosight.state.database import Database
from ecosight.state.exposures import Exposures
from ecosight.state.incidents import Incidents
from ecosight.state.leadership import Leadership
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.values import ModelRef

POLICY = {"steps": [50, 100], "min_units": 0, "min_step_s": 0, "reference_requests": 0, "rollback_window_s": 0}


class Died(BaseException):
    """kill -9, as far as a test within one process can have it."""


@dataclass
class Fuse:
    """Dies at the n-th call of anything behind it, before the call or just after it."""

    at: int = -1
    after: bool = False
    calls: int = 0

    def guard(self, thing: Any) -> Any:
        return _Guarded(thing, self)

    def burn(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise Died
        result = call()
        if self.calls == self.at and self.after:
            raise Died
        return result


class _Guarded:
    def __init__(self, thing: Any, fuse: Fuse) -> None:
        self._thing, self._fuse = thing, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._thing, name)
        return lambda *args, **kwargs: self._fuse.burn(lambda: method(*args, **kwargs))


@dataclass
class Aliases:
    """The registry's aliases, which outlive every controller."""

    named: dict[str, ModelRef] = field(default_factory=lambda: {"champion": OLD})

    def alias(self, name: str) -> ModelRef | None:
        return self.named.get(name)

    def get(self, version: str | int) -> ModelRef:
        return {"1": OLD, "2": NEW}[str(version)]

    def resolve(self, uri: str) -> ModelRef:
        raise NotFound(uri)

    def set_alias(self, name: str, ref: ModelRef, *, by: str = "", why: str = "") -> None:
        self.named[name] = ref

    def remove_alias(self, name: str) -> None:
        self.named.pop(name, None)


class World:
    """Real stores, and one server that does at once what the routing says."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock, self.aliases = database, SystemClock(), Aliases()
        self.rollouts, self.routings = RolloutStore(database), RoutingStore(database)
        self.servers, self.incidents = Servers(database), Incidents(database)
        self.health = Health(state="healthy")
        self.rolled_back: list[str] = []
        self.service = RolloutService(
            rollouts=self.rollouts,
            routings=self.routings,
            incidents=self.incidents,
            registry=self.aliases,
            clock=self.clock,
            config=Config(),
        )

    def controller(self, name: str, fuse: Fuse) -> RolloutController:
        return RolloutController(
            leadership=fuse.guard(Leadership(self.database, "rollouts", name, self.clock, ttl_s=0.0)),
            rollouts=fuse.guard(self.rollouts),
            routings=fuse.guard(self.routings),
            exposures=fuse.guard(Exposures(self.database)),
            servers=fuse.guard(self.servers),
            registry=fuse.guard(self.aliases),
            clock=self.clock,
            check_health=lambda rollout, evidence: self.health,
            roll_back=lambda rollout: fuse.burn(lambda: self._take_back(rollout)),
        )

    def serve(self) -> None:
        """The server follows the newest routing, and says so."""
        routing = self.routings.current()
        if routing is None:
            return
        report = ServerReport(
            server_id="s1",
            host="h",
            pid=1,
            started_at=BEGAN,
            seen_at=self.clock.now(),
            epoch=routing.epoch,
            loaded={model.digest: "ready" for model in (routing.arms[0].model, *routing.standby)},
            arms={arm.name: {"state": "ready"} for arm in routing.arms if arm.isolated},
        )
        self.servers.report(report)

    def run(self, controller: RolloutController, rollout_id: str, ticks: int = 12) -> Rollout:
        for _ in range(ticks):
            self.serve()
            try:
                controller.tick()
            except Conflict:  # another wrote in between; the thread looks again as well
                continue
        rollout = self.rollouts.get(rollout_id)
        assert rollout is not None
        return rollout

    def _take_back(self, rollout: Rollout) -> bool:
        if rollout.id not in self.rolled_back:
            self.rolled_back.append(rollout.id)
        return True


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def whole(world: World, rollout: Rollout, champion: ModelRef) -> None:
    """What must hold at the end, however it was reached."""
    routing = world.routings.current()
    assert isinstance(routing, Routing)
    assert world.aliases.named["champion"] == champion
    assert rollout.state == "aborted" or "challenger" not in world.aliases.named  # an aborted one is not found bad
    assert [(arm.model, arm.weight) for arm in routing.arms] == [(champion, 10_000)]
    assert rollout.finished
    assert world.rollouts.active() is None
    epochs = [each.epoch for each in world.routings.history()]
    assert epochs == list(range(1, len(epochs) + 1))


def test_a_promotion_ends_whole_wherever_its_controller_dies(world: World) -> None:
    fuse = Fuse()
    rollout = world.service.start(candidate="2", policy=POLICY, actor="ann")
    end = world.run(world.controller("first", fuse), rollout.id)
    assert end.state == "promoted"
    whole(world, end, NEW)
    assert fuse.calls > 30


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("wish", ["promote", "roll_back", "abort"])
def test_every_end_is_whole_wherever_a_controller_dies(world: World, wish: str, after: bool) -> None:
    points = deaths = 0
    for at in range(1, 200):
        world.aliases.named = {"champion": OLD}
        rollout = world.service.start(candidate="2", policy=POLICY, actor="ann")
        fuse = Fuse(at=at, after=after)
        mortal = world.controller(f"mortal-{at}", fuse)
        try:
            world.run(mortal, rollout.id, ticks=2)
            if wish == "roll_back":
                world.service.roll_back(actor="ann", why="it looks wrong")
            elif wish == "abort":
                world.service.abort(actor="ann")
            world.run(mortal, rollout.id, ticks=8)
            survived = True
        except Died:
            survived = False
            deaths += 1
            current = world.rollouts.get(rollout.id)
            assert current is not None
            if wish == "roll_back" and not current.finished and current.state != "rolling_back":
                world.service.roll_back(actor="ann", why="it looks wrong")
            if wish == "abort" and not current.finished:
                world.service.abort(actor="ann")
        end = world.run(world.controller(f"heir-{at}", Fuse()), rollout.id)
        expected = {"promote": ("promoted", NEW), "roll_back": ("rolled_back", OLD), "abort": ("aborted", OLD)}[wish]
        assert end.state == expected[0], (at, end)
        whole(world, end, expected[1])
        assert (rollout.id in world.rolled_back) == (wish == "roll_back")
        points = at
        if survived:
            break
    assert deaths == points - 1 >= 10


def test_a_model_promoted_before_anybody_met_it_gets_no_processes_of_its_own(world: World) -> None:
    rollout = world.service.start(candidate="2", policy=POLICY, actor="ann")
    world.service.promote(actor="ann", why="it was tried elsewhere")
    world.run(world.controller("one", Fuse()), rollout.id)
    history = world.routings.history(rollout.id)
    assert [[arm.name for arm in each.arms] for each in history] == [["champion"], ["champion"]]
    assert history[0].standby == (NEW,)
    end = world.rollouts.get(rollout.id)
    assert end is not None
    whole(world, end, NEW)


def test_only_one_of_two_controllers_writes(world: World) -> None:
    rollout = world.service.start(candidate="2", policy=POLICY, actor="ann")
    one, two = (world.controller(name, Fuse()) for name in ("one", "two"))
    for _ in range(12):
        world.serve()
        for controller in (one, two):
            try:
                controller.tick()
            except Conflict:
                continue
    end = world.rollouts.get(rollout.id)
    assert end is not None
    whole(world, replace(end), NEW)
