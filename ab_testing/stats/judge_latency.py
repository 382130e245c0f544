"""Owns the verdict about slow answers: rates of units beyond frozen thresholds, and the ratio of a quantile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.judge_rates import MARGIN, MIN_BAD, VISIBLE_RATE, VISIBLE_RATIO, judge_counts, log_e_of
from ab_testing.stats.quantiles import quantile_interval_ms
from ab_testing.stats.result import TestResult
from ecosight.errors import InvalidInput

__all__ = ["SLUGGISH_Q", "judge_latency"]

SLUGGISH_Q = 0.9
"""Slower in everything shows here first: ten times as many answers lie above the control's 90th percentile as above its
99th, and a model that takes half as long again sends twice and six times as many beyond them. What is slow in rare
cases only shows at the 99th alone."""


def judge_latency(
    counts: ArmCounts,
    control: LatencyHistogram,
    candidate: LatencyHistogram,
    *,
    sluggish: ArmCounts | None = None,
    q: float = 0.99,
    name: str = "latency_p99",
    margin: float = MARGIN,
    alpha: float = 0.01,
    min_ratio: float = 1.2,
    min_bad: int = MIN_BAD,
    visible_ratio: float = VISIBLE_RATIO,
    visible_rate: float = VISIBLE_RATE,
    units_per_s: float | None = None,
    share: float | None = None,
) -> TestResult:
    """Are the candidate's answers slower? Counts are of units that were slower than the frozen threshold.

    With two thresholds the e-value is the mean of both e-values, which is one itself. The lower one's counts as nothing
    while the quantile that it stands for is not ``min_ratio`` times the control's (a difference of a few percent
    between two processes becomes certain there long before it matters), or ``q`` is known not to be. Where it counts,
    its quantile is what is compared as long as ``q`` itself says less: of few answers, a single straggler is the 99th
    percentile.

    Args:
        counts: units, and those with an answer above ``freeze_threshold_ms`` of the control before the rollout.
        control, candidate: all latencies during the rollout; they say by how much it is slower.
        sluggish: the same units, and those above ``freeze_threshold_ms(…, q=SLUGGISH_Q)``; it finds a model that is
            slower in everything in half of the time. None: it was not counted.
        q: the quantile that is shown and compared.
        min_ratio: a ratio of quantiles below never rolls back.
        margin, alpha, min_bad, visible_ratio, visible_rate, units_per_s, share: as ``judge_rates``.
    Raises: InvalidInput: ``q`` is not between 0 and 1, or leaves no ratio above the margin to look for.
    """
    if not 0 < q < 1:
        raise InvalidInput(f"a quantile lies between 0 and 1, not at {q}")
    # Above a threshold that 1 − q of the control exceed, all of the candidate is the worst there can be.
    worst_ratio = 1 / (1 - q)
    log_e, bad, weight = log_e_of(counts, margin, worst_ratio), counts.candidate_bad, 1.0
    compared = _Compared.of(control, candidate, q, alpha)
    if sluggish is not None:
        weight = 0.5
        log_e += math.log(weight)
        lower = _Compared.of(control, candidate, SLUGGISH_Q, alpha)
        if lower.ratio >= min_ratio and compared.high >= min_ratio:
            second = log_e_of(sluggish, margin, 1 / (1 - SLUGGISH_Q)) + math.log(1 - weight)
            log_e, bad = float(np.logaddexp(log_e, second)), max(bad, sluggish.candidate_bad)
            compared = compared if compared.ratio >= min_ratio else lower
    return judge_counts(
        counts,
        log_e=log_e,
        weight=weight,
        name=name,
        found=compared.told,
        effect=compared.ratio,
        effect_name=f"p{compared.q * 100:g}_ratio",
        interval=(compared.low, compared.high),
        min_effect=min_ratio,
        margin=margin,
        alpha=alpha,
        bad=bad,
        min_bad=min_bad,
        visible=(visible_ratio, visible_rate),
        worst_ratio=worst_ratio,
        units_per_s=units_per_s,
        share=share,
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """A quantile of both arms: the candidate's as a multiple of the control's, NaN where an arm has no latencies."""

    q: float
    ratio: float = math.nan
    low: float = 0.0
    high: float = math.inf
    told: str = "no latencies of both arms yet"

    @classmethod
    def of(cls, control: LatencyHistogram, candidate: LatencyHistogram, q: float, alpha: float) -> _Compared:
        """Both lie in their intervals with probability 1 − α, so their ratio lies between the extremes."""
        if not (control.count and candidate.count):
            return cls(q)
        slow, usual = candidate.quantile_ms(q), control.quantile_ms(q)
        low, high = quantile_interval_ms(candidate, q, alpha=alpha / 2)
        least, most = quantile_interval_ms(control, q, alpha=alpha / 2)
        return cls(
            q,
            ratio=slow / usual,
            low=low / most if most is not None else 0.0,
            high=high / least if high is not None and least > 0 else math.inf,
            told=f"the {100 * q:g}% quantile is {slow:.3g} ms for the candidate, {usual:.3g} ms for the control",
        )
