"""Trips by statistics: the candidate against the control beside it, at any look, with the error rate kept.

Each needs three things at once: an e-value beyond its threshold, an effect that matters, and more than a handful of
bad units. The error rate of a rollout is divided among all the metrics that can roll it back, and its candidates; that
of a metric among the comparison of the whole rollout and those that begin anew (``late_spans``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ab_testing.compared import Compared
from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.policy import Policy
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.judge_latency import judge_latency
from ab_testing.stats.judge_rates import judge_rates
from ab_testing.stats.multiplicity import bonferroni
from ab_testing.stats.result import TestResult, Verdict
from rollback.findings import Finding, State, found, tripped
from rollback.late import LATE, late_part

__all__ = ["alphas", "soft_findings"]

WORST_WRONG = 10.0
"""A model that is wrong every time, beside one that is wrong a tenth of it."""
PARTS = {"errors": 0.6, "latency": 0.22, "accuracy": 0.06, "ceilings": 0.01, "label_drift": 0.01, "memory": 0.1}
"""How the error rate is divided (Bonferroni, weighted). A part costs ln(1/part) of evidence, so most of it is where
seconds count, and what is beyond doubt when it happens at all (ceilings, another label to everyone) needs hardly any.

A weighted mean of all e-values against 1/α would be valid too, and never slower. But a good metric's e-value falls
towards 0, so that it would find one metric's harm at the same second, and a threshold that depends on the other
metrics is hard to explain. Memory has no e-value: its part is a bound by simulation, for
the usual ``memory_after_min`` of ten; who asks after one minute is told wrongly more often. See
``ab_testing.stats.growth``.
"""
_STATES: dict[Verdict, State] = {
    Verdict.NO_DATA: "no_data",
    Verdict.INSUFFICIENT: "insufficient",
    Verdict.HEALTHY: "healthy",
    Verdict.BREACH: "breach",
}


def alphas(policy: Policy, evidence: Evidence) -> dict[str, float]:
    """The error rate of each metric of each candidate; together ``policy.alpha_rollback``.

    What is not looked at leaves its part to the errors. That is known before the candidate gets its first client, so
    no part is spent twice.
    """
    parts = dict(PARTS)
    if evidence.threshold_ms is None:
        parts["errors"] += parts.pop("latency")
    if policy.accuracy == "ignored":
        parts["errors"] += parts.pop("accuracy")
    return {
        metric: part * bonferroni(policy.alpha_rollback, len(evidence.candidates)) for metric, part in parts.items()
    }


def soft_findings(
    candidate: CandidateEvidence, evidence: Evidence, policy: Policy, *, believed: bool
) -> Iterator[Finding]:
    """Errors, latency and wrong answers of one candidate.

    Args:
        believed: False while clients do not fall on the arms as the weights say; then no comparison trips.
    """
    alpha = alphas(policy, evidence)
    yield _errors(candidate, evidence, policy, alpha["errors"], believed)
    yield _latency(candidate, evidence, policy, alpha.get("latency"), believed)
    if "accuracy" in alpha:
        yield _accuracy(candidate, evidence, policy, alpha["accuracy"], believed)


def _errors(candidate: CandidateEvidence, evidence: Evidence, policy: Policy, alpha: float, believed: bool) -> Finding:
    def judge(counts: Compared, alpha: float) -> TestResult:
        return judge_rates(
            counts.errors,
            name="errors",
            margin=policy.error_margin,
            alpha=alpha,
            min_ratio=policy.rate_ratio,
            min_bad=policy.min_bad,
            units_per_s=_pace(candidate, "errors", evidence),
        )

    return _finding(candidate, "errors", judge, alpha, what="failed", least=policy.rate_ratio, believed=believed)


def _latency(
    candidate: CandidateEvidence, evidence: Evidence, policy: Policy, alpha: float | None, believed: bool
) -> Finding:
    if alpha is None:
        missing = "the control's latency before the rollout, over enough requests, says what is slow"
        return found(candidate.arm, "latency", "insufficient", missing=missing)

    def judge(counts: Compared, alpha: float) -> TestResult:
        return judge_latency(
            counts.slow,
            counts.control_latency,
            counts.latency,
            first_answers=counts.first_answers,
            usual=evidence.usual,
            margin=policy.error_margin,
            alpha=alpha,
            min_ratio=policy.latency_ratio,
            min_bad=policy.min_bad,
            units_per_s=_pace(candidate, "slow", evidence),
        )

    return _finding(candidate, "latency", judge, alpha, what="slow", least=policy.latency_ratio, believed=believed)


def _accuracy(
    candidate: CandidateEvidence, evidence: Evidence, policy: Policy, alpha: float, believed: bool
) -> Finding:
    if not (candidate.wrong.candidate_units and candidate.wrong.control_units):
        return found(candidate.arm, "accuracy", "no_data", missing="labels of answers of both arms")

    def judge(counts: Compared, alpha: float) -> TestResult:
        return judge_rates(
            counts.wrong,
            name="accuracy",
            margin=policy.error_margin,
            alpha=alpha,
            min_ratio=policy.rate_ratio,
            min_bad=policy.min_bad,
            worst_ratio=WORST_WRONG,
            units_per_s=_pace(candidate, "wrong", evidence),
        )

    return _finding(candidate, "accuracy", judge, alpha, what="wrong", least=policy.rate_ratio, believed=believed)


def _finding(
    candidate: CandidateEvidence,
    metric: str,
    judge: Callable[[Compared, float], TestResult],
    alpha: float,
    *,
    what: str,
    least: float,
    believed: bool,
) -> Finding:
    result, since_s = _judged(candidate, judge, alpha)
    arm = candidate.arm
    figures = {key: value for key, value in result.as_dict().items() if key not in ("name", "verdict", "missing")}
    figures["since_s"] = since_s
    if result.verdict is not Verdict.BREACH:
        return found(arm, metric, _STATES[result.verdict], missing=result.missing, figures=figures)
    if not believed:
        missing = "clients do not fall on the arms as the weights say, so the arms cannot be compared"
        return found(arm, metric, "insufficient", missing=missing, figures=figures)
    effect = f"the {result.effect_name.removesuffix('_ratio')}" if metric == "latency" else "the rate"
    rule = f"the e-value of more clients with {what} answers than the control's stays below {1 / result.alpha:,.0f}, "
    rule += f"or {effect} below {least:g} times the control's"
    endless = result.effect is None or math.isinf(result.effect)
    times = "beyond any multiple of the control's" if endless else f"{result.effect:.3g} times the control's"
    observed = f"counted from minute {since_s / 60:.0f} of the rollout on, " if since_s else ""
    observed += f"{result.reason.replace('units are bad', f'clients got {what} answers')}; {effect} is {times}, "
    observed += f"and the e-value {_number(result.e_value)}"
    return tripped(arm, metric, "soft", rule=rule, observed=observed, figures=figures)


def _judged(
    candidate: CandidateEvidence, judge: Callable[[Compared, float], TestResult], alpha: float
) -> tuple[TestResult, float]:
    """What the whole rollout says, unless a comparison that began anew finds a breach and the whole does not.

    Returns: the result, and since when it counts: seconds after the rollout's beginning.
    """
    whole = judge(candidate.whole, (1 - LATE) * alpha)
    if whole.verdict is not Verdict.BREACH:
        for each in candidate.lately:
            late = judge(each.counts, late_part(each) * alpha)
            if late.verdict is Verdict.BREACH:
                return late, each.since_s
    return whole, 0.0


def _pace(candidate: CandidateEvidence, metric: str, evidence: Evidence) -> float | None:
    """Units of both arms a second at present."""
    if evidence.stage_age_s <= 0:
        return None
    if candidate.stage_units is not None:
        return candidate.stage_units[metric] / evidence.stage_age_s or None
    counts: ArmCounts = getattr(candidate, metric)
    if not counts.stages:
        return None
    last = counts.stages[-1]  # by share, which is by time as long as shares rise and differ
    return (last.control_units + last.candidate_units) / evidence.stage_age_s or None


def _number(value: float | None) -> str:
    return "above a million" if value is None or value > 1e6 else f"{value:,.0f}"
