"""Absolute ceilings: a rate of errors that is too high, an accuracy too far below the baseline, however they compare.

Tiny counts do not reach them: not the rate but its interval, valid at every look, has to lie beyond. And where the
candidate is not surely worse than the control beside it, the cause may lie elsewhere (a full disk, a broken sensor):
taking the candidate back would help nobody and lock a model that did no harm. That is said instead. Where nobody
answers beside it, nothing can tell an outage from a bad model, and the old one is the safer of the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from ab_testing.compared import Compared, FailingKeys
from ab_testing.evidence import CandidateEvidence
from ab_testing.policy import Policy
from ab_testing.stats.conditional import share_interval
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.ratio import ratio_interval
from rollback.findings import Finding, State, found, tripped
from rollback.late import LATE, late_part

__all__ = ["ceiling_findings"]


def ceiling_findings(candidate: CandidateEvidence, policy: Policy, *, alpha: float) -> Iterator[Finding]:
    """Both ceilings of one candidate; ``alpha`` is divided between them."""
    yield _errors(candidate, policy, alpha / 2)
    if policy.accuracy != "ignored":
        yield _accuracy(candidate, policy, alpha / 2)


def _errors(candidate: CandidateEvidence, policy: Policy, alpha: float) -> Finding:
    """Over the whole rollout, and lately; while nobody answered beside the candidate, and while somebody did."""
    spans = [(candidate.whole, 1 - LATE), *((each.counts, late_part(each)) for each in candidate.lately)]
    looks = [(counts, ours, part * alpha / 2) for counts, part in spans for ours in (counts.beside, counts.alone)]
    found_each = [_ceiling(candidate.arm, counts, ours, policy, each) for counts, ours, each in looks if ours.keys]
    if not found_each:
        return found(candidate.arm, "error_ceiling", "no_data", missing="requests to the candidate")
    return next((each for each in found_each if each.trip), found_each[0])


def _ceiling(arm: str, counts: Compared, ours: FailingKeys, policy: Policy, alpha: float) -> Finding:
    metric, ceiling = "error_ceiling", policy.error_rate_threshold
    low, high = share_interval(ours.failed, ours.keys - ours.failed, alpha=alpha)
    figures = {"bad": ours.failed, "units": ours.keys, "low": low, "high": high, "ceiling": ceiling, "alpha": alpha}
    if ours.failed < policy.min_bad or low <= ceiling:
        state: State = "healthy" if high < ceiling else "insufficient"
        missing = "" if state == "healthy" else f"clients until the rate is surely below or above {ceiling:.0%}"
        return found(arm, metric, state, missing=missing, figures=figures)
    if ours is counts.beside and _lowest_ratio(counts.errors, alpha) <= 1:
        missing = "it does not surely fail more often than the control beside it, so the cause may lie elsewhere"
        return found(arm, metric, "insufficient", missing=missing, figures=figures)
    return tripped(
        arm,
        metric,
        "soft",
        rule=f"the candidate fails at most {ceiling:.0%} of the requests of its clients",
        observed=f"it fails {ours.rate:.1%} of the requests of {ours.keys:,} clients (surely more than {low:.1%})",
        figures=figures,
    )


def _lowest_ratio(counts: ArmCounts, alpha: float) -> float:
    """At least so many times as often as the control, compared within the stages: errors may come and go for all."""
    return ratio_interval(counts.column("control_bad"), counts.column("candidate_bad"), counts.shares, alpha=alpha)[0]


def _accuracy(candidate: CandidateEvidence, policy: Policy, alpha: float) -> Finding:
    arm, metric, counts = candidate.arm, "accuracy_floor", candidate.labels
    if not (counts.candidate_units and counts.control_units):
        return found(arm, metric, "no_data", missing="labels of answers of both arms")
    ours = _right(counts.candidate_bad, counts.candidate_units, alpha / 2)
    theirs = _right(counts.control_bad, counts.control_units, alpha / 2)
    floor = policy.performance_threshold
    figures = {"accuracy": list(ours), "baseline": list(theirs), "floor": floor, "alpha": alpha}
    # Within the stages as well: recordings may be harder in one of them, in which the candidate has more clients.
    more_wrong = _lowest_ratio(counts, alpha) > 1
    if ours[1] < floor * theirs[0] and more_wrong and counts.candidate_bad >= policy.min_bad:
        right = 1 - counts.candidate_bad / counts.candidate_units
        usual = 1 - counts.control_bad / counts.control_units
        return tripped(
            arm,
            metric,
            "soft",
            rule=f"its accuracy is at least {floor:.0%} of the control's",
            observed=f"{right:.1%} of its labelled clients were answered rightly, {usual:.1%} of the control's",
            figures=figures,
        )
    if ours[0] >= floor * theirs[1]:
        return found(arm, metric, "healthy", figures=figures)
    return found(
        arm, metric, "insufficient", missing=f"labels until it is sure on which side of {floor:.0%}", figures=figures
    )


def _right(bad: int, units: int, alpha: float) -> tuple[float, float]:
    """The interval of the share of right answers."""
    low, high = share_interval(min(bad, units), max(0, units - bad), alpha=alpha)
    return 1 - high, 1 - low
