"""Owns the verdict about the split: do units, and labels, fall on the arms as the weights say?

A mismatch does not say that the candidate is bad. It says that no other figure can be believed: keys are lost, or
routed wrongly, or labelled more eagerly in one arm than in the other.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from ab_testing.stats.assignment import AssignmentCounts, AssignmentStage
from ab_testing.stats.conditional import log_e_shares, share_interval
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.forecast import Forecast, make_forecast
from ab_testing.stats.mixing import Floats, log_threshold
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["judge_label_split", "judge_split", "split_log_e"]

CONCENTRATION = 100.0
VISIBLE, POWER = 0.1, 0.8
"""Before a split is ``healthy``, a share that is off by a tenth of itself would have been found, so probably."""


def judge_split(
    counts: AssignmentCounts,
    *,
    name: str = "sample_ratio",
    alpha: float = 0.001,
    concentration: float = CONCENTRATION,
    units_per_s: float | None = None,
    unit: str = "units",
) -> TestResult:
    """Do the counts fit the weights, at every stage, for any number of arms?

    Args:
        counts: units by arm, or labelled units by arm (a label counts at the weights under which its prediction was
            made).
        alpha: probability of ever calling a right split wrong.
        concentration: κ; see ``optimal_concentration``.
        units_per_s: of all arms together at present, for the forecast.
    """
    if counts.units == 0:
        return TestResult(
            name=name,
            verdict=Verdict.NO_DATA,
            reason="nothing was counted yet",
            missing=f"{unit} of any arm are needed",
            alpha=alpha,
            log_e=0.0,
        )
    log_e = split_log_e(counts, concentration=concentration)
    arm, deviation = _largest_deviation(counts)
    forecast, verdict = None, Verdict.BREACH
    if log_e < log_threshold(alpha):
        forecast = _forecast(counts, concentration, alpha, unit=unit, per_s=units_per_s)
        verdict = Verdict.HEALTHY if forecast.units == 0 else Verdict.INSUFFICIENT
    low, high = _interval(counts, arm, alpha)
    return TestResult(
        name=name,
        verdict=verdict,
        reason=f"arm {arm} has {deviation:+.1%} of the {unit} that its weight makes expected",
        missing=str(forecast) if forecast is not None and verdict is Verdict.INSUFFICIENT else "",
        alpha=alpha,
        log_e=log_e,
        effect=deviation,
        effect_name="share_deviation",
        low=low,
        high=high,
        counts={f"arm_{index}": total for index, total in enumerate(_totals(counts))},
        forecast=forecast,
    )


def _forecast(
    counts: AssignmentCounts, concentration: float, alpha: float, *, unit: str, per_s: float | None
) -> Forecast:
    """When a broken split would have been found, if there were one: the units of the newest stage that this needs."""
    stage = counts.stages[-1]
    before = sum(
        _stage_log_e(_if_broken(np.array(sum(each.counts)), each.weights), each.weights, concentration)
        for each in counts.stages[:-1]
    )

    def after(units: Floats) -> Floats:
        broken = _if_broken(units + sum(stage.counts), stage.weights)
        return before + log_e_shares(broken, stage.weights, concentration=concentration)

    assumption = f"a share that is off by {VISIBLE:.0%} of itself is to be ruled out"
    return make_forecast(after, log_threshold(alpha), unit=unit, assumption=assumption, per_s=per_s)


def judge_label_split(
    labels: ArmCounts, *, name: str = "label_ratio", alpha: float = 0.001, labels_per_s: float | None = None
) -> TestResult:
    """Do labels come alike in both arms? ``labels``: keys, and (as bad) those of them that have a label."""
    stages = tuple(
        AssignmentStage((1 - stage.share, stage.share), (stage.control_bad, stage.candidate_bad))
        for stage in labels.stages
    )
    return judge_split(AssignmentCounts(stages), name=name, alpha=alpha, units_per_s=labels_per_s, unit="labels")


def split_log_e(counts: AssignmentCounts, *, concentration: float = CONCENTRATION) -> float:
    """ln of the e-value against "units fall on the arms as the weights say", over all stages."""
    return sum(_stage_log_e(np.array(stage.counts), stage.weights, concentration) for stage in counts.stages)


def _interval(counts: AssignmentCounts, arm: int, alpha: float) -> tuple[float | None, float | None]:
    """Of the arm's share; with several stages there is not one share."""
    if len(counts.stages) != 1:
        return None, None
    seen = counts.stages[0].counts
    return share_interval(seen[arm], sum(seen) - seen[arm], alpha=alpha)


def _stage_log_e(counts: Floats, weights: tuple[float, ...], concentration: float) -> float:
    return float(log_e_shares(counts, weights, concentration=concentration))


def _if_broken(units: Floats, weights: tuple[float, ...]) -> Floats:
    """Counts, at least as clear with probability ``POWER``, if the smallest arm got ``VISIBLE`` more than its share."""
    shares = np.array(weights, dtype=np.float64) / sum(weights)
    arm = int(shares.argmin())
    share = shares[arm]
    extra = units * share * VISIBLE - float(ndtri(POWER)) * np.sqrt(units * share * (1 - share))
    counts: Floats = (units - np.maximum(extra, 0.0) / (1 - share))[..., None] * shares
    counts[..., arm] = units * share + np.maximum(extra, 0.0)
    return counts


def _totals(counts: AssignmentCounts) -> list[int]:
    arms = max(len(stage.counts) for stage in counts.stages)
    return [sum(s.counts[arm] for s in counts.stages if arm < len(s.counts)) for arm in range(arms)]


def _largest_deviation(counts: AssignmentCounts) -> tuple[int, float]:
    totals = np.array(_totals(counts), dtype=np.float64)
    expected = np.zeros_like(totals)
    for stage in counts.stages:
        share = np.array(stage.weights, dtype=np.float64) / sum(stage.weights)
        expected[: len(share)] += sum(stage.counts) * share
    deviation = np.divide(totals, expected, out=np.ones_like(totals), where=expected > 0) - 1
    arm = int(np.abs(deviation).argmax())
    return arm, float(deviation[arm])
