"""What the triggers say about the candidates of a rollout at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

__all__ = ["Check", "Health", "HealthState", "Trip"]

HealthState = Literal["no_data", "insufficient", "healthy", "breach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One metric. ``missing``: what it would need to say more, and when that should be there; else empty."""

    name: str
    state: HealthState
    figures: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A reason to take a candidate back: the rule that was broken, and what was observed."""

    name: str
    kind: Literal["hard", "soft", "manual"]
    rule: str
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All of it. ``no_data`` neither promotes nor counts as failure; trips come with ``breach``, the gravest first."""

    state: HealthState
    trips: tuple[Trip, ...] = ()
    checks: tuple[Check, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {
            "state": self.state,
            "trips": [asdict(trip) for trip in self.trips],
            "checks": [asdict(check) for check in self.checks],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        return cls(
            state=told["state"],
            trips=tuple(Trip(**trip) for trip in told["trips"]),
            checks=tuple(Check(**check) for check in told["checks"]),
        )
