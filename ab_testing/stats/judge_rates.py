"""Owns the verdict about rates of bad units: roll back, or not, or too early to say.

``healthy`` is earned: it is said once a candidate that does real harm (its rate doubled, or 1% where the control
hardly ever fails) would have been caught by now with a probability of four fifths.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.forecast import Forecast, make_forecast
from ab_testing.stats.mixing import Floats, log_threshold
from ab_testing.stats.ratio import WORST_RATIO, log_e_worse, rate_ratio, ratio_interval, soft_trip
from ab_testing.stats.result import TestResult, Verdict
from ecosight.errors import InvalidInput

__all__ = ["MARGIN", "MIN_BAD", "VISIBLE_RATE", "VISIBLE_RATIO", "judge_counts", "judge_rates", "log_e_of"]

VISIBLE_RATIO = 2.0
VISIBLE_RATE = 0.01
POWER = 0.8
MARGIN = 0.25
MIN_BAD = 5


def judge_rates(
    counts: ArmCounts,
    *,
    name: str = "errors",
    margin: float = MARGIN,
    alpha: float = 0.01,
    min_ratio: float = 1.25,
    min_bad: int = MIN_BAD,
    visible_ratio: float = VISIBLE_RATIO,
    visible_rate: float = VISIBLE_RATE,
    worst_ratio: float = WORST_RATIO,
    units_per_s: float | None = None,
    share: float | None = None,
) -> TestResult:
    """Is the candidate's rate of bad units more than 1 + ``margin`` times the control's? At any time, at any ramp.

    Args:
        counts: units and first bad events of both arms.
        alpha: probability of ever rolling back a candidate whose rate is within the margin.
        min_ratio, min_bad: an estimated ratio below, or fewer bad units of the candidate, never roll back.
        visible_ratio, visible_rate: ``healthy`` needs units enough to have caught a candidate with so many times the
            control's rate, or with this rate where that is higher.
        worst_ratio: the largest ratio that is looked for. Where a tenth of the control's units is bad, as wrong answers
            may be, 10 is the most there can be, and looking no further finds small harm sooner.
        units_per_s: of both arms together at present, for the forecast.
        share: of the candidate at present; None: the largest so far.
    """
    ratio = float(rate_ratio(counts.column("control_bad"), counts.column("candidate_bad"), counts.shares))
    low, high = _ratio_interval(counts, alpha)
    found = f"{_rate(counts.candidate_bad, counts.candidate_units)} of the candidate's units are bad, "
    found += f"{_rate(counts.control_bad, counts.control_units)} of the control's"
    return judge_counts(
        counts,
        log_e=log_e_of(counts, margin, worst_ratio),
        name=name,
        found=found,
        effect=ratio,
        effect_name="rate_ratio",
        interval=(low, high),
        min_effect=min_ratio,
        margin=margin,
        alpha=alpha,
        bad=counts.candidate_bad,
        min_bad=min_bad,
        visible=(visible_ratio, visible_rate),
        worst_ratio=worst_ratio,
        units_per_s=units_per_s,
        share=share,
    )


def judge_counts(
    counts: ArmCounts,
    *,
    log_e: float,
    weight: float = 1.0,
    name: str,
    found: str,
    effect: float,
    effect_name: str,
    interval: tuple[float, float],
    min_effect: float,
    margin: float,
    alpha: float,
    bad: int,
    min_bad: int,
    visible: tuple[float, float],
    worst_ratio: float,
    units_per_s: float | None,
    share: float | None,
) -> TestResult:
    """The verdict from an e-value in which that of ``counts`` has a ``weight``, and from the candidate's bad units."""
    if not (visible[0] >= 0 and visible[1] >= 0 and min_effect >= 0):  # NaN compares with nothing
        raise InvalidInput(f"ratios and rates are numbers from 0 upwards: {min_effect}, {visible[0]}, {visible[1]}")
    forecast: Forecast | None = None
    missing = ""
    if not (counts.control_units and counts.candidate_units):
        verdict = Verdict.NO_DATA
        found = "an arm has no units"
        missing = "units of both arms are needed"
    elif bool(soft_trip(log_e, effect, bad, alpha=alpha, min_effect=min_effect, min_bad=min_bad)):
        verdict = Verdict.BREACH
    else:
        forecast = _forecast(
            counts, margin, weight * alpha, min_bad, visible, worst_ratio, units_per_s, share or counts.shares[-1]
        )
        verdict = Verdict.HEALTHY if forecast.units == 0 else Verdict.INSUFFICIENT
        missing = "" if verdict is Verdict.HEALTHY else str(forecast)
    return TestResult(
        name=name,
        verdict=verdict,
        reason=found,
        missing=missing,
        alpha=alpha,
        log_e=log_e,
        effect=None if math.isnan(effect) else effect,
        effect_name=effect_name,
        low=interval[0],
        high=interval[1] if math.isfinite(interval[1]) else None,
        counts={
            "control_units": counts.control_units,
            "control_bad": counts.control_bad,
            "candidate_units": counts.candidate_units,
            "candidate_bad": counts.candidate_bad,
        },
        forecast=forecast,
    )


def log_e_of(counts: ArmCounts, margin: float, worst_ratio: float) -> float:
    control, candidate = counts.column("control_bad"), counts.column("candidate_bad")
    return float(log_e_worse(control, candidate, counts.shares, margin=margin, worst_ratio=worst_ratio))


def _forecast(
    counts: ArmCounts,
    margin: float,
    alpha: float,
    min_bad: int,
    visible: tuple[float, float],
    worst_ratio: float,
    units_per_s: float | None,
    share: float,
) -> Forecast:
    """Units until a harmful candidate would have been caught; 0: it would have been by now."""
    usual = max(counts.control_bad, 0.5) / counts.control_units
    harmful = min(1.0, max(visible[0] * usual, visible[1]))
    now = counts + ArmCounts.at(share)
    shares, here = now.shares, now.shares.index(share)
    control_bad, expected_bad = now.column("control_bad"), now.column("candidate_units") * harmful

    def after(units: Floats) -> Floats:
        control = np.repeat(control_bad[None, :], len(units), axis=0)
        candidate = np.repeat(expected_bad[None, :], len(units), axis=0)
        control[:, here] += units * (1 - share) * usual
        candidate[:, here] += units * share * harmful
        candidate *= _unlucky(candidate.sum(axis=-1, keepdims=True))
        log_e = log_e_worse(control, candidate, shares, margin=margin, worst_ratio=worst_ratio)
        return np.where(candidate.sum(axis=-1) >= min_bad, log_e, -np.inf)

    assumption = f"harm is to be ruled out that makes {harmful:.3g} of the units bad"
    return make_forecast(after, log_threshold(alpha), unit="units", assumption=assumption, per_s=units_per_s)


def _unlucky(expected: Floats) -> Floats:
    """What part of the expected bad units there are at least, with probability ``POWER`` (they are about Poisson)."""
    part: Floats = np.clip(1 - float(ndtri(POWER)) / np.sqrt(np.maximum(expected, 1e-9)), 0.0, 1.0)
    return part


def _ratio_interval(counts: ArmCounts, alpha: float) -> tuple[float, float]:
    if not counts.stages:
        return 0.0, math.inf
    return ratio_interval(counts.column("control_bad"), counts.column("candidate_bad"), counts.shares, alpha=alpha)


def _rate(bad: int, units: int) -> str:
    return f"{bad / units:.2%}" if units else "none"
