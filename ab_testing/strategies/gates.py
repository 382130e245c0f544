"""The conditions of a step: time, keys, health, accuracy, blast radius; each says what is missing and when."""

from __future__ import annotations

from ab_testing.budgets import spendings
from ab_testing.compared import FailingKeys
from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.stats import StatisticalAnalyzer
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.result import TestResult
from ab_testing.stats.result import Verdict as Said
from ab_testing.verdicts import Gate

__all__ = [
    "accuracy_gate",
    "blast_gate",
    "errors_gate",
    "health_gate",
    "labels_gate",
    "split_gate",
    "time_gate",
    "units_gate",
]

LEAST_LABELS = 20


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


def errors_gate(policy: Policy, candidate: CandidateEvidence) -> Gate:
    """Whether it fails few enough of its keys at this share; it holds where nobody is left to compare it with, too."""
    most, step = policy.error_rate_threshold, FailingKeys(candidate.stage_keys, candidate.stage_failed)
    lately = [each.counts.beside + each.counts.alone for each in candidate.lately]
    # A single key that fails all the time may be what is broken itself.
    worst = max((step, *lately), key=lambda each: each.failed - max(most * each.keys, 1.0))
    passed = worst.failed <= max(most * worst.keys, 1.0)
    said = f"{candidate.arm} may fail {most:.0%} of its keys' requests at a step, and of the last minutes"
    return Gate(
        name="errors",
        passed=passed,
        said=said,
        missing="" if passed else f"fewer failures: {said}, and it failed {worst.rate:.1%} of those of {worst.keys}",
        figures={"failed": worst.failed, "keys": worst.keys},
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
    told, pending = candidate.labels, candidate.unlabelled_keys
    if pending is None:
        pending = max(0, candidate.errors.candidate_units - told.candidate_units)
    result = (
        analyzer.non_inferiority(candidate.pairs, margin=policy.accuracy_margin)
        if candidate.pairs.pairs
        else analyzer.non_inferiority(told, margin=policy.accuracy_margin, candidate_pending=pending)
    )
    labelled = told.candidate_units + candidate.pairs.labelled
    if policy.accuracy == "if-labelled" and not labelled:
        return Gate(name="accuracy", passed=True, said="no labels have come, and the policy asks for none")
    if result.verdict is Said.PASSED:
        return Gate(name="accuracy", passed=True, said="not worse by more than the margin", figures=result.as_dict())
    if policy.accuracy == "if-labelled" and told.candidate_units:
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
    wrong = candidate.labels
    usual = wrong.control_bad / max(1, wrong.control_units)
    lost = min(1.0, usual + policy.visible_loss)
    return analyzer.compare_rates(wrong, name="accuracy", visible_ratio=1.0, visible_rate=lost)


def blast_gate(policy: Policy, evidence: Evidence) -> Gate:
    """How many keys and bad answers the candidates may have been exposed to before a person has to look."""
    bad, keys = spendings(evidence, policy)
    faults = []
    if keys.over:
        faults.append(f"more than {keys.limit} keys were exposed")
    if bad.over:
        faults.append(f"more than {bad.limit} keys met a bad answer")
    said = f"the blast radius is spent: {' and '.join(faults)}" if faults else "within the blast radius"
    return Gate(name="blast radius", passed=not faults, said=said, figures={"keys": keys.spent, "bad": bad.spent})


def labels_gate(candidate: CandidateEvidence) -> Gate:
    """Whether enough truths were told of both sides to draw weights from; before, chance alone would draw them."""
    counts = candidate.labels
    left = LEAST_LABELS - min(counts.candidate_units, counts.control_units)
    return Gate(
        name="labels",
        passed=left <= 0,
        said=f"{LEAST_LABELS} keys of {candidate.arm} and of the champion have to be labelled",
        missing=f"{left} more labelled keys of {candidate.arm} or of the champion" if left > 0 else "",
        figures={"candidate": counts.candidate_units, "champion": counts.control_units},
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
