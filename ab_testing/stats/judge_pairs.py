"""Owns the verdict whether a candidate is fit to be promoted, from samples that both models answered (shadow)."""

from __future__ import annotations

import numpy as np

from ab_testing.stats.asymptotic import mean_interval
from ab_testing.stats.betting import paired_log_e_not_worse, paired_log_e_worse
from ab_testing.stats.judge_promotion import EQUAL, MIN_DECIDED, judge_promotion
from ab_testing.stats.mixing import Floats
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.result import TestResult

__all__ = ["judge_pairs"]

USUAL_DISCORDANCE = 0.08
"""Share of pairs with exactly one right answer that a forecast assumes until some were seen."""


def judge_pairs(
    pairs: PairCounts,
    *,
    margin: float = 0.01,
    name: str = "accuracy_paired",
    alpha: float = 0.05,
    pairs_per_s: float | None = None,
) -> TestResult:
    """Promotion on paired answers: is accuracy not lower by more than ``margin``?

    Args:
        pairs: all pairs so far, or of those chosen for labelling; those that wait for a label stand as lost.
        alpha: probability of ever passing a candidate that is worse by the margin.
        pairs_per_s: at present, for the forecast.
    """
    minus, zero, plus = pairs.differences
    told = pairs.moments()
    # What is expected of pairs to come, and of those that wait.
    discordance = (pairs.candidate_right + pairs.control_right) / pairs.labelled if pairs.labelled else 1.0
    share = pairs.disagreed / pairs.pairs * discordance if pairs.decided >= MIN_DECIDED else USUAL_DISCORDANCE
    drift = told.mean if pairs.decided >= MIN_DECIDED else 0.0
    win, lose = (share + drift) / 2, (share - drift) / 2
    waiting = pairs.pending * np.array([discordance * lose / share, 1 - discordance, discordance * win / share])
    start = np.array([pairs.control_right, zero, plus]) + waiting

    def after(more: Floats) -> Floats:
        at = start + more[:, None] * np.array([lose, 1 - win - lose, win])
        return paired_log_e_not_worse(at[:, 0], at[:, 1], at[:, 2], margin=margin)

    return judge_promotion(
        name,
        pairs.pairs > 0,
        float(paired_log_e_not_worse(minus, zero, plus, margin=margin)),
        float(paired_log_e_worse(pairs.control_right, zero, plus + pairs.pending, margin=margin)),
        alpha,
        after,
        unit="pairs",
        assumption=EQUAL if drift == 0.0 else f"the difference stays at {drift:+.4f}",
        per_s=pairs_per_s,
        waiting=pairs.pending,
        reason=f"the candidate's accuracy differs by {told.mean:+.4f} over {told.n:,} pairs; "
        f"it may be lower by {margin:g}",
        effect=told.mean if told.n else None,
        effect_name="accuracy_difference",
        interval=mean_interval(told, alpha=alpha, unseen=2.0),
        counts={"pairs": pairs.pairs, **pairs.as_dict()},
    )
