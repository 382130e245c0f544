"""How a rollout ends, promoted or taken back; each step may be done again by whoever leads next."""

from __future__ import annotations

from typing import Protocol

from ab_testing import plan
from ab_testing.drafts import ModelAliases
from ab_testing.steering import ACTOR, Steering
from ab_testing.strategies import load_strategy
from ecosight.errors import Conflict, EcosightError
from ecosight.ports import Clock
from ecosight.rollouts import Rollout
from ecosight.state.leadership import Fence
from ecosight.state.rollouts import Unchanged
from ecosight.state.servers import Servers
from ecosight.values import ModelRef

__all__ = ["Endings", "RollbackRunner"]


class RollbackRunner(Protocol):
    """Takes a model back: restores, verifies, alerts, reports. A row with a ``way_back`` is restored by its degrees;
    of any other the traffic is gone before this is called."""

    def __call__(self, rollout: Rollout) -> bool:
        """Go on with the process of this rollout; called again until it returns True. Each step happens once."""
        ...


class Endings:
    """Used by one thread."""

    def __init__(
        self, *, steering: Steering, servers: Servers, registry: ModelAliases, clock: Clock, roll_back: RollbackRunner
    ) -> None:
        self._steering, self._servers, self._registry = steering, servers, registry
        self._clock, self._roll_back = clock, roll_back

    def promote(self, rollout: Rollout, fence: Fence) -> None:
        """Two phases: every server holds the new champion warm; then the epoch moves, the aliases, and the row."""
        strategy = load_strategy(rollout.strategy)
        (model,) = rollout.candidates.values()
        routing = self._steering.current()
        if routing is None or routing.arms[0].model != model:
            why = f"{model} gets ready to lead"
            wanted = plan.planned(rollout, strategy) if plan.has_arms(routing, rollout) else plan.straight(rollout)
            routing = self._steering.move(routing, wanted, Unchanged(fence, rollout), why=why)
            servers = self._servers.live(self._clock.now())
            if any(server.loaded.get(model.digest) == "failed" for server in servers):
                why = f"{model} cannot be loaded as champion"
                self.take_back(self._steering.save(rollout, fence, state="rolling_back", outcome=why), fence)
                return
            if not servers or not all(server.loaded.get(model.digest) == "ready" for server in servers):
                return
        self._steering.move(
            routing, plan.after_promotion(rollout), Unchanged(fence, rollout), why=f"{model} is promoted"
        )
        self._point_aliases(rollout, model, f"rollout {rollout.id}: {rollout.outcome or 'promoted by hand'}")
        outcome = rollout.outcome or f"{model} was promoted"
        try:
            self._steering.save(rollout, fence, state="promoted", finished_at=self._clock.now(), outcome=outcome)
        except Conflict:
            newest = self._steering.newest(rollout)
            if newest.state != "rolling_back":
                raise
            self.take_back(newest, fence)  # a person was faster than the alias, which names a bad model until then

    def take_back(self, rollout: Rollout, fence: Fence) -> None:
        """The traffic first, at once or by degrees; then the alias; then what takes time.

        A registry that is away holds up the end, but not the incident and its alert. Raises: what it raised.
        """
        if not rollout.way_back:
            why = rollout.outcome or "taken back"
            self._steering.move(self._steering.current(), plan.after_abort(rollout), Unchanged(fence, rollout), why=why)
        away: EcosightError | None = None
        try:
            self._point_aliases(rollout, rollout.champion, f"rollout {rollout.id} was taken back: {rollout.outcome}")
        except EcosightError as error:
            away = error
        over = self._roll_back(rollout)
        if away is not None:
            raise away
        if over:
            self._steering.save(rollout, fence, state="rolled_back", finished_at=self._clock.now())

    def _point_aliases(self, rollout: Rollout, champion: ModelRef, why: str) -> None:
        """The champion, and no challenger any more, but for one that came meanwhile: it waits for its own rollout."""
        if self._registry.alias("champion") != champion:
            self._registry.set_alias("champion", champion, by=ACTOR, why=why)
        if self._registry.alias("challenger") in rollout.candidates.values():
            self._registry.remove_alias("challenger")
