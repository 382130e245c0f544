"""Is a candidate healthy? All triggers in one pure function of the rollout and what was seen of it.

Nothing is remembered between two looks: the same evidence gives the same health anywhere, today and in a replay. That a
trip is final is not decided here but by the incident that it opens, which latches the model by its digest; so a figure
that falls back below its threshold a second later cannot let the model in again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Check, Health, HealthState, Trip
from ab_testing.policy import Policy
from ecosight.rollouts import Rollout
from rollback.blast_radius import blast_findings
from rollback.ceilings import ceiling_findings
from rollback.drift import drift_finding, labelled_finding, split_finding
from rollback.findings import Finding, found
from rollback.hard_trips import hard_findings
from rollback.memory import memory_finding
from rollback.soft_trips import alphas, soft_findings

__all__ = ["check_health"]

OPTIONAL = frozenset({"accuracy", "accuracy_floor", "error_ceiling", "faults", "label_drift", "labels", "memory"})
"""Metrics that do not hold up "healthy" while they cannot say: labels and minutes may never come."""
_KINDS = ("hard", "soft", "manual")


def check_health(rollout: Rollout, evidence: Evidence) -> Health:
    """What the triggers say.

    Returns: state ``breach`` with trips, the gravest first; ``no_data`` where no client came for too long;
        ``insufficient`` while a metric cannot say yet; else ``healthy``. Every metric has a check that says its state,
        its figures and what is missing. A check in breach without a trip asks for a person: a broken split, a spent
        budget.
    """
    policy = Policy.from_dict(rollout.policy)
    findings = list(_findings(evidence, policy))
    trips = tuple(sorted((f.trip for f in findings if f.trip), key=lambda trip: _KINDS.index(trip.kind)))
    checks = tuple(finding.check for finding in findings)
    return Health(state=_state(trips, checks, evidence, policy), trips=trips, checks=checks)


def _findings(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    split, alpha = split_finding(evidence), alphas(policy, evidence)
    yield _traffic(evidence, policy)
    yield split
    yield from blast_findings(evidence, policy)
    for candidate in evidence.candidates:
        yield from hard_findings(candidate, policy)
        labelled = labelled_finding(candidate)
        yield from _believed(candidate, evidence, policy, split=split, labelled=labelled)
        yield labelled
        yield memory_finding(candidate, evidence, policy, alpha=alpha["memory"])
        yield drift_finding(candidate, evidence, alpha=alpha["label_drift"])


def _believed(
    candidate: CandidateEvidence, evidence: Evidence, policy: Policy, *, split: Finding, labelled: Finding
) -> Iterator[Finding]:
    """The comparisons; what rests on a broken split, or on labels that come for one arm only, does not trip."""
    even = split.check.state != "breach"
    alpha = alphas(policy, evidence)["ceilings"]
    findings = [
        *soft_findings(candidate, evidence, policy, believed=even),
        *ceiling_findings(candidate, policy, alpha=alpha),
    ]
    for finding in findings:
        metric = finding.check.figures["metric"]
        if finding.trip and metric in ("accuracy", "accuracy_floor") and labelled.check.state == "breach":
            missing = labelled.check.missing
            yield found(candidate.arm, metric, "insufficient", missing=missing, figures=finding.check.figures)
        else:
            yield finding


def _traffic(evidence: Evidence, policy: Policy) -> Finding:
    ago = evidence.seen_s_ago
    figures = {"seen_s_ago": ago, "servers": evidence.servers}
    if ago is None or ago > policy.no_data_s:
        since = "none came yet" if ago is None else f"the last one came {ago:.0f} s ago"
        return found("all", "traffic", "no_data", missing=f"requests: {since}", figures=figures)
    return found("all", "traffic", "healthy", figures=figures)


def _state(trips: Sequence[Trip], checks: Sequence[Check], evidence: Evidence, policy: Policy) -> HealthState:
    if trips:
        return "breach"
    states = {check.figures["metric"]: check.state for check in checks}
    if states["traffic"] == "no_data":
        return "no_data"
    optional = OPTIONAL - ({"accuracy"} if policy.accuracy == "required" else set())
    if evidence.threshold_ms is None:  # with too little traffic there never is one
        optional |= {"latency"}
    waiting = [each for each in checks if each.state != "healthy" and each.figures["metric"] not in optional]
    return "insufficient" if waiting else "healthy"
