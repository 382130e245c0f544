"""The conditions of a step: time, keys, health, accuracy, blast radius; each says what is missing and when."""

from __future__ import annotations

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.stats import StatisticalAnalyzer
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.result import TestResult
from ab_testing.stats.result import Verdict as Said
from ab_testing.verdicts import Gate
from ecosight.rollouts import Rollout

__all__ = ["accuracy_gate", "blast_gate", "health_gate", "split_gate", "time_gate", "units_gate"]


def time_gate(policy: Policy, evidence: Evidence) -> Gate:
    left = policy.min_step_s - evidence.stage_age_s
    return Gate(
        name="time",
        passed=left <= 0,
        said=f"the step has to last {_duration(policy.min_step_s)}",
        missing=f"{_duration(left)} of the step's least time" if left > 0 else "",
        figures={"stage_age_s": round(evidence.stage_age_s, 1)},
    )


def units_gate(policy: Policy, evidence: Evidence, candidate: CandidateEvidence) -> Gate:
    met = candidate.stage_keys
    left = policy.min_units - met
    per_s = met / evidence.stage_age_s if evidence.stage_age_s > 0 else 0.0
    when = f", in about {_duration(left / per_s)}" if per_s > 0 else ""
    return Gate(
        name="keys",
        passed=left <= 0,
        said=f"{candidate.arm} has to meet {policy.min_units} keys",
        missing=f"{left} more keys for {candidate.arm}{when}" if left > 0 else "",
        figures={"keys": met},
    )


def health_gate(health: Health) -> Gate:
    waits = [check.missing for check in health.checks if check.state == "insufficient" and check.missing]
    return Gate(
        name="health",
        passed=health.state not in ("no_data", "breach"),
        said=f"the triggers say: {health.state.replace('_', ' ')}",
        missing="no client has asked for too long" if health.state == "no_data" else "",
        figures={"waits": waits},
    )


def split_gate(counts: AssignmentCounts | None) -> Gate:
    """Whether keys fall on the arms as the weights say; if not, no comparison can be believed."""
    if counts is None or not counts.units:
        return Gate(name="split", passed=True, said="no keys yet")
    result = StatisticalAnalyzer().sample_ratio(counts)
    return Gate(
        name="split",
        passed=result.verdict is not Said.BREACH,
        said="keys fall on the arms as the weights say" if result.verdict is not Said.BREACH else result.reason,
        figures={"log_e": result.as_dict()["log_e"], "keys": counts.units},
    )


def accuracy_gate(policy: Policy, candidate: CandidateEvidence) -> Gate:
    """Not worse by more than the margin, shown by labels: as pairs where a shadow has them, else between the arms."""
    if policy.accuracy == "ignored":
        return Gate(name="accuracy", passed=True, said="the policy ignores labels")
    analyzer = StatisticalAnalyzer(alpha=policy.alpha_promote)
    pending = max(0, candidate.errors.candidate_units - candidate.wrong.candidate_units)
    result = (
        analyzer.non_inferiority(candidate.pairs, margin=policy.accuracy_margin)
        if candidate.pairs.pairs
        else analyzer.non_inferiority(candidate.wrong, margin=policy.accuracy_margin, candidate_pending=pending)
    )
    labelled = candidate.wrong.candidate_units + candidate.pairs.labelled
    if policy.accuracy == "if-labelled" and not labelled:
        return Gate(name="accuracy", passed=True, said="no labels have come, and the policy asks for none")
    if result.verdict is Said.PASSED:
        return Gate(name="accuracy", passed=True, said="not worse by more than the margin", figures=result.as_dict())
    if policy.accuracy == "if-labelled" and candidate.wrong.candidate_units:
        result = _visible_loss(policy, analyzer, candidate)
    return Gate(
        name="accuracy",
        passed=result.verdict is Said.HEALTHY,
        said=result.reason,
        missing="" if result.verdict is Said.HEALTHY else (result.missing or result.reason),
        figures=result.as_dict(),
    )


def _visible_loss(policy: Policy, analyzer: StatisticalAnalyzer, candidate: CandidateEvidence) -> TestResult:
    """Whether a loss of so many points would have been found by now, and was not."""
    wrong = candidate.wrong
    usual = wrong.control_bad / max(1, wrong.control_units)
    lost = min(1.0, usual + policy.visible_loss)
    return analyzer.compare_rates(wrong, name="accuracy", visible_ratio=1.0, visible_rate=lost)


def blast_gate(rollout: Rollout, policy: Policy, evidence: Evidence) -> Gate:
    """How many keys and bad answers the candidates may have been exposed to before a person has to look."""
    keys = sum(each.errors.candidate_units for each in evidence.candidates)
    bad = sum(each.errors.candidate_bad + each.wrong.candidate_bad for each in evidence.candidates)
    faults = []
    if policy.max_exposed_keys is not None and keys > policy.max_exposed_keys:
        faults.append(f"more than {policy.max_exposed_keys} keys were exposed")
    if policy.max_bad_answers is not None and bad > policy.max_bad_answers:
        faults.append(f"more than {policy.max_bad_answers} keys met a bad answer")
    said = " and ".join(faults) or "within the blast radius"
    return Gate(name="blast radius", passed=not faults, said=said, figures={"keys": keys, "bad": bad})


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
