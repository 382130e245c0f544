"""By which weights a model is taken back: at once, down the steps of its canary, or in equal parts.

At once is what a trip calls for. The other two are for a model that does no harm but shall go, where the old one must
not get the whole load in one moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from ab_testing.policy import Policy
from ecosight.errors import InvalidInput

__all__ = ["Mode", "Ramp", "canary_ramp", "gradual_ramp", "immediate_ramp", "ramp_of"]

Mode = Literal["immediate", "canary", "gradual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Percentages that the model still answers, falling, the last one 0, with a time between two of them."""

    mode: Mode
    percents: tuple[float, ...]
    step_s: float = 0.0

    def __post_init__(self) -> None:
        falling = all(a > b for a, b in zip(self.percents, self.percents[1:], strict=False))
        if not self.percents or self.percents[-1] != 0 or self.percents[0] >= 100 or not falling or self.step_s < 0:
            raise InvalidInput(
                f"a way back falls from below 100 to 0 percent, unlike {list(self.percents)}",
                hint="Such as 25, 10, 5, 0.",
            )

    def as_dict(self) -> dict[str, Any]:
        return {"mode": self.mode, "percents": list(self.percents), "step_s": self.step_s}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        return cls(mode=told["mode"], percents=tuple(told["percents"]), step_s=told["step_s"])


def immediate_ramp() -> Ramp:
    """The old model answers everything at once."""
    return Ramp(mode="immediate", percents=(0.0,))


def ramp_of(policy: Policy, now_percent: float, *, mode: Mode | None = None) -> Ramp:
    """The way back that a policy asks for.

    Args:
        now_percent: what the candidates answer together at present.
        mode: instead of the policy's, where a person asks for another.
    """
    match policy.rollback_ramp if mode is None else mode:
        case "canary":
            return canary_ramp(now_percent, policy.steps, step_s=policy.rollback_step_s)
        case "gradual":
            return gradual_ramp(now_percent, policy.rollback_parts, step_s=policy.rollback_step_s)
        case _:
            return immediate_ramp()


def canary_ramp(now_percent: float, steps: Sequence[float], *, step_s: float = 60.0) -> Ramp:
    """Back down the steps that a canary came up by.

    Args:
        now_percent: what the model answers at present; steps from there upwards are left out.
    """
    below = sorted({float(step) for step in steps if 0 < step < min(100.0, now_percent)}, reverse=True)
    return Ramp(mode="canary", percents=(*below, 0.0), step_s=step_s)


def gradual_ramp(now_percent: float, parts: int = 5, *, step_s: float = 60.0) -> Ramp:
    """In so many equal parts.

    Raises: InvalidInput: no parts.
    """
    if parts < 1:
        raise InvalidInput(f"a way back has at least one part, not {parts}")
    whole = min(100.0, max(0.0, now_percent))
    down = {round(whole * (parts - part) / parts, 4) for part in range(1, parts)}
    between = sorted((percent for percent in down if 0 < percent < whole), reverse=True)
    return Ramp(mode="gradual", percents=(*between, 0.0), step_s=step_s)
