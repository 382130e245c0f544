"""Owns the verdict whether a candidate is fit to be promoted, from units that saw one arm each.

- ``judge_arms``: margin on the accuracy itself. Right where labels come for a sample of units that was chosen
  beforehand, or come whatever the answer was.
- ``judge_arms_ratio``: margin on the ratio of wrong answers. Uses wrong answers only, so it holds as well where users
  report mistakes more readily or sooner than they confirm, if they do so alike in both arms (the label ratio tests
  that).

The shadow (``judge_pairs``) needs about five times fewer labels than either.
"""

from __future__ import annotations

import math

import numpy as np

from ab_testing.stats.asymptotic import mean_interval
from ab_testing.stats.betting import arms_log_e_not_worse, arms_log_e_worse
from ab_testing.stats.counts import ArmCounts, StageCounts
from ab_testing.stats.judge_promotion import EQUAL, MIN_DECIDED, judge_promotion
from ab_testing.stats.mixing import Floats
from ab_testing.stats.moments import Moments
from ab_testing.stats.ratio import log_e_not_worse, log_e_worse, rate_ratio, ratio_interval
from ab_testing.stats.result import TestResult
from ecosight.errors import InvalidInput

__all__ = ["judge_arms", "judge_arms_ratio"]

USUAL_ERROR = 0.1
"""Share of wrong answers that a forecast assumes until some were seen."""


def judge_arms(
    counts: ArmCounts,
    *,
    margin: float = 0.01,
    candidate_pending: int = 0,
    name: str = "accuracy",
    alpha: float = 0.05,
    labels_per_s: float | None = None,
) -> TestResult:
    """Promotion on labelled units that saw one arm each: is accuracy not lower by more than ``margin``?

    Args:
        counts: labelled units, and those of them whose answer was wrong; one label a key.
        candidate_pending: the candidate's units that were chosen for labelling and have no label yet. They stand as
            wrong: without them, labels of right answers that come sooner would pass any candidate.
        alpha: probability of ever passing a candidate that is worse by the margin.
        labels_per_s: of both arms together at present, for the forecast.
    Raises: InvalidInput: more wrong answers than labelled units at some share, or ``candidate_pending`` is no count.
    """
    if not 0 <= candidate_pending < math.inf:
        raise InvalidInput(f"units that wait for a label are a number from 0 upwards, not {candidate_pending}")
    control_wrong, candidate_wrong, right = _wrong_and_right(counts)
    shares, told = counts.shares, _weighted_differences(counts.stages)
    lost = candidate_wrong.copy()
    if counts.stages:
        lost[-1] += candidate_pending
    usual = counts.control_bad / counts.control_units if counts.control_bad >= MIN_DECIDED else USUAL_ERROR

    def after(more: Floats) -> Floats:
        step = np.zeros((len(shares), 3))
        step[-1] = np.array([1 - usual, usual * (1 - shares[-1]), usual * shares[-1]])
        at = np.stack([right, control_wrong, candidate_wrong], axis=-1) + more[:, None, None] * step
        return arms_log_e_not_worse(at[..., 0], at[..., 1], at[..., 2], shares, margin=margin)

    return judge_promotion(
        name,
        counts.control_units > 0 and counts.candidate_units > 0,
        float(arms_log_e_not_worse(right, control_wrong, lost, shares, margin=margin)),
        float(arms_log_e_worse(right, control_wrong, candidate_wrong, shares, margin=margin)),
        alpha,
        after,
        unit="labels",
        assumption=EQUAL,
        per_s=labels_per_s,
        waiting=candidate_pending,
        reason=f"the candidate's accuracy differs by {told.mean:+.4f} over {told.n:,} labelled units; "
        f"it may be lower by {margin:g}",
        effect=told.mean if told.n else None,
        effect_name="accuracy_difference",
        interval=mean_interval(told, alpha=alpha, unseen=_unseen(counts.stages)),
        counts=_told_counts(counts),
    )


def judge_arms_ratio(
    counts: ArmCounts,
    *,
    margin: float = 0.1,
    name: str = "wrong_answers",
    alpha: float = 0.05,
    labels_per_s: float | None = None,
) -> TestResult:
    """Promotion on wrong answers alone: is their rate not higher than 1 + ``margin`` times the control's?

    Args:
        counts: labelled units, and those of them whose answer was wrong; one label a key.
        alpha: probability of ever passing a candidate whose rate is that much higher.
        labels_per_s: of both arms together at present, for the forecast.
    """
    ours, theirs, shares = counts.column("candidate_bad"), counts.column("control_bad"), counts.shares
    units = counts.control_units + counts.candidate_units
    wrong = counts.control_bad + counts.candidate_bad
    usual = wrong / units if wrong >= MIN_DECIDED else USUAL_ERROR

    def after(more: Floats) -> Floats:
        step = np.zeros((len(shares), 2))
        step[-1] = usual * np.array([1 - shares[-1], shares[-1]])
        at = np.stack([theirs, ours], axis=-1) + more[:, None, None] * step
        return log_e_not_worse(at[..., 0], at[..., 1], shares, margin=margin)

    ratio = float(rate_ratio(theirs, ours, shares)) if shares else math.nan
    low, high = ratio_interval(theirs, ours, shares, alpha=alpha) if shares else (0.0, math.inf)
    times = "not known yet as a multiple of" if math.isnan(ratio) else f"{ratio:.3g} times"
    return judge_promotion(
        name,
        counts.control_units > 0 and counts.candidate_units > 0,
        float(log_e_not_worse(theirs, ours, shares, margin=margin)),
        float(log_e_worse(theirs, ours, shares, margin=margin)),
        alpha,
        after,
        unit="labels",
        assumption=EQUAL,
        per_s=labels_per_s,
        waiting=0,
        reason=f"the candidate's rate of wrong answers is {times} the control's; "
        f"it may be {1 + margin:g} times as high",
        effect=None if math.isnan(ratio) else ratio,
        effect_name="rate_ratio",
        interval=(low, high),
        counts=_told_counts(counts),
    )


def _wrong_and_right(counts: ArmCounts) -> tuple[Floats, Floats, Floats]:
    for stage in counts.stages:
        if stage.control_bad > stage.control_units or stage.candidate_bad > stage.candidate_units:
            raise InvalidInput(f"more wrong answers than labelled units at a share of {stage.share:g}")
    control_wrong, candidate_wrong = counts.column("control_bad"), counts.column("candidate_bad")
    right = counts.column("control_units") + counts.column("candidate_units") - control_wrong - candidate_wrong
    return control_wrong, candidate_wrong, right


def _weighted_differences(stages: tuple[StageCounts, ...]) -> Moments:
    """Moments of the unpaired d: its mean estimates the difference of accuracies, whatever the base rate did."""
    total = Moments()
    for stage in stages:
        n = stage.control_units + stage.candidate_units
        if n:
            low, high = -1 / stage.share, 1 / (1 - stage.share)
            mean = (stage.candidate_bad * low + stage.control_bad * high) / n
            square = stage.candidate_bad * low * low + stage.control_bad * high * high
            total += Moments(n=n, mean=mean, m2=max(0.0, square - n * mean * mean))
    return total


def _unseen(stages: tuple[StageCounts, ...]) -> float:
    """One wrong answer of either arm, squared, at the share where it weighs most."""
    return max((share**-2 + (1 - share) ** -2 for share in (stage.share for stage in stages)), default=0.0)


def _told_counts(counts: ArmCounts) -> dict[str, float]:
    return {
        "control_units": counts.control_units,
        "control_wrong": counts.control_bad,
        "candidate_units": counts.candidate_units,
        "candidate_wrong": counts.candidate_bad,
    }
