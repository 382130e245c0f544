"""What a wish for a rollout comes to: its row, or the reason why there can be none. Reads, and changes nothing.

Starting one and rehearsing its start (``--dry-run``) draw up the same row by the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ab_testing.latching import require_unlatched
from ab_testing.policy import Policy
from ab_testing.possible import require_possible
from ab_testing.strategies import load_strategy
from ecosight.config import Config
from ecosight.errors import Conflict, InvalidInput, NoModel, NotFound
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.rollouts import CANDIDATE, Rollout
from ecosight.state.incidents import Incidents
from ecosight.state.rollouts import RolloutStore
from ecosight.text import one_line
from ecosight.values import ModelRef

__all__ = ["Drafts", "ModelAliases"]


class ModelAliases(Protocol):
    """The registry, as rollouts use it."""

    def alias(self, name: str) -> ModelRef | None: ...
    def get(self, version: str | int) -> ModelRef: ...
    def resolve(self, uri: str) -> ModelRef: ...
    def set_alias(self, name: str, ref: ModelRef, *, by: str = ..., why: str = ...) -> None: ...
    def remove_alias(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Draws up rows of rollouts. Thread-safe as its stores are."""

    rollouts: RolloutStore
    incidents: Incidents
    registry: ModelAliases
    clock: Clock
    config: Config

    def of_start(
        self,
        *,
        candidate: str | Sequence[str],
        strategy: str,
        policy: Mapping[str, Any] | None,
        actor: str,
        automatic: bool,
    ) -> Rollout:
        """The row of a new rollout. Raises: what ``RolloutService.start`` raises."""
        active = self.rollouts.active()
        if active is not None:
            sooner = {"promoting": ", or `ecosight rollback`", "rolling_back": ""}
            raise Conflict(
                f"rollout {active.id} is {active.state.replace('_', ' ')}",
                hint=f"Wait for its end{sooner.get(active.state, ', or `ecosight rollout abort` it')}.",
                rollout_id=active.id,
            )
        champion = self.registry.alias("champion")
        if champion is None:
            raise NoModel("no model is champion yet, so there is nothing to compare with", hint="`ecosight train`.")
        named = [candidate] if isinstance(candidate, str) else list(candidate)
        if not named:
            raise InvalidInput("a rollout has at least one candidate", hint="Give a version or an alias.")
        models = [self.model(name) for name in named]
        for model in models:
            own = self.incidents.of(model.digest)
            require_unlatched(model, own, self.clock.now(), automatic=automatic)
        arms = {CANDIDATE if number == 1 else f"{CANDIDATE}-{number}": model for number, model in enumerate(models, 1)}
        load_strategy(strategy)
        settled = Policy.of(self.config, strategy, policy or {})
        now = self.clock.now()
        drawn_up = Rollout(
            id=new_id("rollout"),
            strategy=strategy,
            policy=settled.as_dict(),
            champion=champion,
            candidates=arms,
            state="preparing",
            actor=one_line(actor),
            started_at=now,
            stage_since=now,
        )
        require_possible(drawn_up)
        return drawn_up

    def of_way_back(self, *, actor: str, why: str) -> Rollout:
        """The row of a rollout that takes the champion itself back.

        Raises: NotFound: there was no champion before. Refused: the one before was taken back, and nobody unlatched it.
        """
        champion, previous = self.registry.alias("champion"), self.registry.alias("previous")
        if champion is None or previous is None or previous.digest == champion.digest:
            raise NotFound("there is no earlier champion to go back to", hint="The alias `previous` names it.")
        now = self.clock.now()
        require_unlatched(previous, self.incidents.of(previous.digest), now, automatic=False)
        return Rollout(
            id=new_id("rollout"),
            strategy="fixed",
            policy=Policy.from_config(self.config, strategy="fixed").as_dict(),
            champion=previous,
            candidates={CANDIDATE: champion},
            state="rolling_back",
            actor=actor,
            started_at=now,
            stage_since=now,
            outcome=why or f"taken back by {actor}",
        )

    def model(self, name: str) -> ModelRef:
        """The model behind a version, an alias or a URI. Raises: NotFound, InvalidInput."""
        if name.startswith("models:/"):
            return self.registry.resolve(name)
        version = name.rpartition("/")[2]
        if version.isascii() and version.isdecimal():
            return self.registry.get(version)
        found = self.registry.alias(name)
        if found is None:
            raise NotFound(f"no model is {name!r}", hint="Give a version number, an alias, or models:/NAME/VERSION.")
        return found
