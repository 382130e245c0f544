"""The two faces of the triggers: who looks at a rollout's health, and which ceilings a model may not pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Health, Trip
from ab_testing.policy import Policy
from ecosight.errors import InvalidInput
from ecosight.rollouts import Rollout
from ecosight.state.rollouts import RolloutStore
from rollback.causes import looked_again
from rollback.ceilings import ceiling_findings
from rollback.triggers import check_health

__all__ = ["HealthChecker", "ThresholdMonitor"]

LOOK_BACK = 200
"""Decisions of people carry no evidence; so many are looked through for one that does."""


class HealthChecker:
    """Health of rollouts, as the triggers see it."""

    def __init__(self, rollouts: RolloutStore) -> None:
        self._rollouts = rollouts

    def check(self, rollout: Rollout, evidence: Evidence) -> Health:
        """What the triggers say about this evidence. A pure function."""
        return check_health(rollout, evidence)

    def latest(self, rollout_id: str) -> Health | None:
        """What they said last; None: nothing was looked at yet."""
        recorded = self._rollouts.decisions(rollout_id, LOOK_BACK)
        return next((looked_again(decision) for decision in recorded if decision.evidence), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdMonitor:
    """Absolute thresholds.

    Attributes:
        performance_threshold: least accuracy, as a share of the control's.
        error_rate_threshold: most clients with an error, as a share.
        alpha: probability of ever calling a model that keeps both a breach.
    """

    performance_threshold: float = 0.95
    error_rate_threshold: float = 0.05
    alpha: float = 0.01

    def __post_init__(self) -> None:
        for name in ("performance_threshold", "error_rate_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is a share between 0 and 1, not {getattr(self, name)}")

    def breaches(self, candidate: CandidateEvidence) -> tuple[Trip, ...]:
        """The thresholds that a candidate has surely passed."""
        findings = ceiling_findings(candidate, Policy(**self.as_policy()), alpha=self.alpha)
        return tuple(finding.trip for finding in findings if finding.trip is not None)

    def as_policy(self) -> dict[str, Any]:
        """As differences of a rollout's policy."""
        return {
            "performance_threshold": self.performance_threshold,
            "error_rate_threshold": self.error_rate_threshold,
        }
