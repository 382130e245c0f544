"""Owns the verdict about slow answers: slow in rare cases, or slower as a whole, and the ratio of a quantile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.judge_rates import MARGIN, MIN_BAD, VISIBLE_RATE, VISIBLE_RATIO, judge_counts, log_e_of
from ab_testing.stats.quantiles import quantile_interval_ms
from ab_testing.stats.result import TestResult
from ab_testing.stats.shift import UsualLatency, log_e_slower
from ecosight.errors import InvalidInput

__all__ = ["judge_latency"]

WHOLE_Q = 0.9
"""The quantile by which answers are compared that are slower as a whole: of few answers, a single straggler is the 99th
percentile."""


def judge_latency(
    counts: ArmCounts,
    control: LatencyHistogram,
    candidate: LatencyHistogram,
    *,
    first_answers: ArmLatencies | None = None,
    usual: UsualLatency | None = None,
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

    With the first answers the e-value is the mean of two, which is one itself: of units beyond the threshold, which
    finds what is slow in rare cases, and of a shift of all first answers (``log_e_slower``), which finds in a third of
    the time what is slower in everything. The second counts as nothing while the 90th percentile is not ``min_ratio``
    times the control's, or ``q`` is known not to be. Where it counts, the 90th percentile is what is compared as long
    as ``q`` itself says less.

    Args:
        counts: units, and those with an answer above ``freeze_threshold_ms`` of the control before the rollout.
        control, candidate: all latencies during the rollout; they say by how much it is slower.
        first_answers: to the same units. None: they were not kept.
        usual: the control's latency before the rollout. None: only ``counts`` are judged.
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
    if first_answers is not None and usual is not None:
        weight = 0.5
        log_e += math.log(weight)
        whole = _Compared.of(control, candidate, WHOLE_Q, alpha)
        if whole.ratio >= min_ratio and compared.high >= min_ratio:
            shift = log_e_slower(first_answers, usual, min_ratio=min_ratio)
            log_e = float(np.logaddexp(log_e, shift + math.log(1 - weight)))
            bad = max(bad, sum(stage.candidate.above(whole.usual_ms) for stage in first_answers.stages))
            compared = compared if compared.ratio >= min_ratio else whole
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
    usual_ms: float = math.nan
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
            usual_ms=usual,
            ratio=slow / usual,
            low=low / most if most is not None else 0.0,
            high=high / least if high is not None and least > 0 else math.inf,
            told=f"the {100 * q:g}% quantile is {slow:.3g} ms for the candidate, {usual:.3g} ms for the control",
        )
