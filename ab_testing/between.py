"""What a leader does while no rollout is under way: the history of who was live goes on, old exposures go."""

from __future__ import annotations

from datetime import timedelta

from ab_testing import plan
from ab_testing.drafts import ModelAliases
from ab_testing.policy import Policy
from ab_testing.steering import Steering
from ecosight.errors import InvalidInput
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import Routing
from ecosight.state.exposures import PRUNE_ROWS, Exposures
from ecosight.state.leadership import Fence
from ecosight.state.rollouts import RolloutStore
from ecosight.values import ModelRef

__all__ = ["Between"]

PRUNE_EVERY_S = 3_600.0


class Between:
    """Used by one thread.

    Args:
        keep_exposures_days: how long exposures of finished rollouts are kept. Routings and decisions are never deleted.
    """

    def __init__(
        self,
        *,
        steering: Steering,
        rollouts: RolloutStore,
        exposures: Exposures,
        registry: ModelAliases,
        clock: Clock,
        keep_exposures_days: float,
    ) -> None:
        self._steering, self._rollouts, self._exposures = steering, rollouts, exposures
        self._registry, self._clock = registry, clock
        self._keep = timedelta(days=keep_exposures_days)
        self._prune_at_s = 0.0

    def keep_history(self, fence: Fence) -> None:
        """Let the routing say whom the alias names, so that the history knows who was live when."""
        champion = self._registry.alias("champion")
        if champion is None:
            return
        current = self._steering.current()
        if current is not None and current.rollout_id and not self._window_is_over(current, champion):
            return
        self._steering.move(current, plan.steady(champion), fence, why=f"{champion} is champion")

    def prune(self) -> None:
        """Delete old exposures, a few thousand at a look so that the lease is renewed in between; then rest an hour.

        Raises: Unavailable: the database is away.
        """
        if self._clock.monotonic() < self._prune_at_s:
            return
        gone = self._exposures.prune(self._clock.now() - self._keep, most=PRUNE_ROWS)
        if gone < PRUNE_ROWS:
            self._prune_at_s = self._clock.monotonic() + PRUNE_EVERY_S
        if gone:
            get_logger("rollouts").info("old exposures deleted", rows=gone)

    def _window_is_over(self, current: Routing, champion: ModelRef) -> bool:
        """Whether the way back need not be kept warm any more after a rollout."""
        rollout = self._rollouts.get(current.rollout_id)
        if rollout is None or current.arms[0].model != champion:  # the alias moved on by other hands
            return True
        if rollout.state != "promoted":
            return True
        try:
            window_s = Policy.from_dict(rollout.policy).rollback_window_s
        except InvalidInput:  # recorded by a version whose rules are not known here: nobody can tell how long
            return True
        return (self._clock.now() - current.made_at).total_seconds() >= window_s
