"""One rehearsed rollout: clients drawn at random, and the evidence that they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.special import ndtri

from ab_testing.compared import FailingKeys
from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.policy import Policy
from ab_testing.stats import ArmCounts, ArmLatencies, AssignmentCounts, LatencyHistogram
from ab_testing.strategies import load_strategy
from ecosight.rollouts import BUCKETS, CANDIDATE, CHAMPION, CONTROL, Rollout
from ecosight.values import ModelRef

__all__ = ["Case", "RehearsedRollout", "Traffic"]

LATENCY_SIGMA = 0.35
"""Of the logarithm: the slowest percent takes 2.3 times the median."""
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What comes in.

    Attributes:
        keys_per_s, requests_per_s: new sticky units, and requests.
        error_rate: of keys that meet a failure, with a good model.
        label_rate: of keys whose truth is told; wrong_rate: of those, answered wrongly by a good model.
        median_ms: of the latency of a good model, whose logarithm is normal.
    """

    keys_per_s: float
    requests_per_s: float
    error_rate: float = 0.005
    label_rate: float = 0.0
    wrong_rate: float = 0.1
    median_ms: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How a candidate differs: points more wrong answers, and how many times the errors and the latency."""

    name: str
    points_worse: float = 0.0
    error_ratio: float = 1.0
    latency_ratio: float = 1.0


class RehearsedRollout:
    """One rollout under way, and what was seen of it."""

    def __init__(self, policy: Policy, traffic: Traffic, case: Case, rng: np.random.Generator) -> None:
        model = ModelRef(name="rehearsal", version="1", digest="0" * 64)
        self.rollout = Rollout(
            id="rehearsal",
            strategy=policy.strategy,
            policy=policy.as_dict(),
            champion=model,
            candidates={CANDIDATE: replace(model, version="2", digest="1" * 64)},
            state="running",
            actor="rehearsal",
            started_at=_BEGAN,
        )
        self._strategy = load_strategy(policy.strategy)
        self._policy, self._traffic, self._case, self._rng = policy, traffic, case, rng
        self.age_s = self.rollout_age_s = self._stage_age_s = 0.0
        self._stage_keys = self._stage_failed = self._failed = self.exposed = 0
        self._assigned = AssignmentCounts()
        self._candidate = CandidateEvidence(arm=CANDIDATE)

    def prepare(self) -> float:
        """The reference window, in which only the control is measured. Returns its length."""
        weights = self._weights()
        per_s = self._traffic.requests_per_s * weights.get(CONTROL, 0) / BUCKETS
        needed = self._policy.reference_requests / per_s if per_s > 0 else float("inf")
        self.age_s = min(needed, self._policy.reference_max_s)
        measured = needed <= self._policy.reference_max_s
        if measured:
            self.rollout = replace(self.rollout, threshold_ms=self._usual_ms(0.99), median_ms=self._usual_ms(0.5))
        self.advance({})
        return self.age_s

    def advance(self, weights: Any) -> None:
        self.rollout = replace(self.rollout, stage=self.rollout.stage + 1, weights=dict(weights))
        self._stage_age_s, self._stage_keys, self._stage_failed = 0.0, 0, 0

    def wait(self, seconds: float) -> None:
        """Let clients come for a while."""
        self.age_s += seconds
        self.rollout_age_s += seconds
        self._stage_age_s += seconds
        weights = {name: weight for name, weight in self._weights().items() if weight}
        came = self._rng.poisson(self._traffic.keys_per_s * seconds)
        counts = dict(
            zip(weights, self._rng.multinomial(came, [each / BUCKETS for each in weights.values()]), strict=True)
        )
        if len(weights) > 1:
            arrived = tuple(int(count) for count in counts.values())
            self._assigned += AssignmentCounts.at(tuple(weights.values()), arrived)
        ours = int(counts.get(CANDIDATE, 0))
        self.exposed += ours
        self._stage_keys += ours
        self._add(weights, {name: int(count) for name, count in counts.items()})

    def evidence(self) -> Evidence:
        age, errors = self.rollout_age_s, self._candidate.errors
        return Evidence(
            rollout_id="rehearsal",
            epoch=self.rollout.stage + 1,
            stage=self.rollout.stage,
            stage_age_s=self._stage_age_s,
            age_s=age,
            threshold_ms=self.rollout.threshold_ms,
            median_ms=self.rollout.median_ms,
            assigned=self._assigned if self._assigned.stages else None,
            candidates=(
                replace(
                    self._candidate,
                    met_keys=self.exposed,
                    stage_keys=self._stage_keys,
                    stage_failed=self._stage_failed,
                    beside=FailingKeys(errors.candidate_units, errors.candidate_bad),
                    alone=FailingKeys(self.exposed - errors.candidate_units, self._failed - errors.candidate_bad),
                    requests=self.exposed,
                    answered_s_ago=0.0,
                ),
            ),
            seen_s_ago=0.0,
            servers=1,
        )

    def _weights(self) -> dict[str, int]:
        return {arm.name: arm.weight for arm in self._strategy.arms(self.rollout, self.rollout.stage) if not arm.shadow}

    def _add(self, weights: dict[str, int], counts: dict[str, int]) -> None:
        own, other = weights.get(CANDIDATE, 0), weights.get(CHAMPION, 0) + weights.get(CONTROL, 0)
        t, case = self._traffic, self._case
        if not own or not other:
            self._fail(self._hits(counts.get(CANDIDATE, 0), t.error_rate * case.error_ratio))
            return
        share = own / (own + other)
        ours, theirs = counts.get(CANDIDATE, 0), counts.get(CHAMPION, 0) + counts.get(CONTROL, 0)
        known = self._candidate
        labels = (self._hits(ours, t.label_rate), self._hits(theirs, t.label_rate))
        wrong = (self._hits(labels[0], t.wrong_rate + case.points_worse), self._hits(labels[1], t.wrong_rate))
        errors = (self._hits(ours, t.error_rate * case.error_ratio), self._hits(theirs, t.error_rate))
        self._fail(errors[0])
        latency, control_latency = self._latencies(ours, case.latency_ratio), self._latencies(theirs)
        slow, first_answers = known.slow, known.first_answers
        twin, threshold_ms = weights.get(CONTROL, 0), self.rollout.threshold_ms
        if twin and threshold_ms is not None:
            depth = min(own, twin)  # as many keys of each (``twins``)
            compared = self._latencies(self._hits(ours, depth / own), case.latency_ratio)
            fair = self._latencies(self._hits(counts.get(CONTROL, 0), depth / twin))
            slow += _above(threshold_ms, compared, fair, 0.5)
            first_answers += ArmLatencies.at(0.5, candidate=compared, control=fair)
        self._candidate = replace(
            known,
            errors=known.errors + ArmCounts.at(share, candidate=(ours, errors[0]), control=(theirs, errors[1])),
            wrong=known.wrong + ArmCounts.at(share, candidate=(labels[0], wrong[0]), control=(labels[1], wrong[1])),
            labelled=known.labelled + ArmCounts.at(share, candidate=(ours, labels[0]), control=(theirs, labels[1])),
            slow=slow,
            first_answers=first_answers,
            latency=known.latency + latency,
            control_latency=known.control_latency + control_latency,
        )

    def _fail(self, keys: int) -> None:
        self._stage_failed += keys
        self._failed += keys

    def _usual_ms(self, q: float) -> float:
        return float(self._traffic.median_ms * np.exp(LATENCY_SIGMA * ndtri(q)))

    def _latencies(self, n: int, ratio: float = 1.0) -> LatencyHistogram:
        drawn = self._rng.lognormal(np.log(self._traffic.median_ms * ratio), LATENCY_SIGMA, n)
        return LatencyHistogram.of(drawn)

    def _hits(self, n: int, probability: float) -> int:
        return int(self._rng.binomial(n, min(1.0, max(0.0, probability))))


def _above(threshold_ms: float, candidate: LatencyHistogram, control: LatencyHistogram, share: float) -> ArmCounts:
    counts = [(arm.count, arm.above(threshold_ms)) for arm in (candidate, control)]
    return ArmCounts.at(share, candidate=counts[0], control=counts[1])
