"""What is to be done with a rollout, why, and what is missing where that cannot be said yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ab_testing.health import Health

__all__ = ["Action", "Gate", "PauseFor", "Verdict"]

PauseFor = Literal["", "budget", "agreement"]
"""As ``Rollout.paused_for``."""
Action = Literal["hold", "advance", "promote", "pause", "roll_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of the next step: whether it is met, and what is missing."""

    name: str
    passed: bool
    said: str
    missing: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer.

    Attributes:
        reason: a sentence that stays the same while nothing changes: figures that move lie in the gates.
        missing: for "cannot say yet": what is missing and when it should be there at the present traffic.
        health: what the triggers said.
        weights: buckets by arm name for the stage that begins, of a strategy that draws them.
        pause_for: with a pause: what it is about.
    """

    action: Action
    reason: str
    missing: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    health: Health | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    pause_for: PauseFor = ""

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {
            "action": self.action,
            "reason": self.reason,
            "missing": list(self.missing),
            "gates": [
                {name: getattr(gate, name) for name in ("name", "passed", "said", "missing")}
                | {"figures": dict(gate.figures)}
                for gate in self.gates
            ],
            "health": self.health.as_dict() if self.health is not None else None,
            "weights": dict(self.weights),
            "pause_for": self.pause_for,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        health = told.get("health")
        return cls(
            action=told["action"],
            reason=told["reason"],
            missing=tuple(told.get("missing", ())),
            gates=tuple(Gate(**gate) for gate in told.get("gates", ())),
            health=Health.from_dict(health) if health is not None else None,
            weights=dict(told.get("weights", {})),
            pause_for=told.get("pause_for", ""),
        )
