"""What one look at one metric of one candidate found: a check, which is always shown, and perhaps a trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ab_testing.health import Check, HealthState, Trip
from ecosight.rollouts import CANDIDATE

__all__ = ["Finding", "State", "found", "tripped"]

State = HealthState


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    check: Check
    trip: Trip | None = None


def found(
    arm: str, metric: str, state: State, *, missing: str = "", figures: Mapping[str, Any] | None = None
) -> Finding:
    """A check without a trip."""
    return Finding(
        check=Check(name=_name(arm, metric), state=state, figures=_figures(arm, metric, figures), missing=missing)
    )


def tripped(
    arm: str,
    metric: str,
    kind: Literal["hard", "soft"],
    *,
    rule: str,
    observed: str,
    figures: Mapping[str, Any] | None = None,
) -> Finding:
    """A check that is in breach, and its trip."""
    check = Check(name=_name(arm, metric), state="breach", figures=_figures(arm, metric, figures), missing="")
    return Finding(check=check, trip=Trip(name=_name(arm, metric), kind=kind, rule=rule, observed=observed))


def _name(arm: str, metric: str) -> str:
    """``errors``; of a further candidate ``errors:candidate-2``."""
    return metric if arm in (CANDIDATE, "all") else f"{metric}:{arm}"


def _figures(arm: str, metric: str, figures: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"arm": arm, "metric": metric, **(figures or {})}
