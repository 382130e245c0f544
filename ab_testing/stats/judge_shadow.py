"""Owns the verdict of the shadow: both models answered the same samples; which one is right where they disagree?

Sequential McNemar: of the disagreements in which exactly one is right, each is the candidate's with probability ½ if
the models are equally accurate. Only disagreements need a label, and which of them have one yet does not matter as
long as that does not depend on who was right (do not tell annotators which model said what).
"""

from __future__ import annotations

from ab_testing.stats.conditional import log_e_share, share_interval
from ab_testing.stats.forecast import Forecast, make_forecast
from ab_testing.stats.mixing import Floats, log_threshold
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["judge_shadow"]

CONCENTRATION = 20.0
MIN_DECIDED = 20
"""Below, the forecast assumes a clear winner; from here on, what was seen so far."""
CLEAR_WINNER = 2 / 3


def judge_shadow(
    pairs: PairCounts, *, name: str = "shadow_accuracy", alpha: float = 0.05, labels_per_s: float | None = None
) -> TestResult:
    """Is one of the two models more accurate? Says how many labels are still needed.

    Args:
        pairs: all pairs so far.
        alpha: probability of ever naming a winner between equally accurate models.
        labels_per_s: of disagreements at present, for the forecast.
    """
    log_e = float(log_e_share(pairs.candidate_right, pairs.control_right, 0.5, concentration=CONCENTRATION))
    forecast, missing = None, ""
    if pairs.pairs == 0:
        verdict, missing = Verdict.NO_DATA, "pairs of answers are needed"
    elif log_e >= log_threshold(alpha):
        verdict = Verdict.PASSED if pairs.candidate_right > pairs.control_right else Verdict.BREACH
    else:
        verdict, forecast = Verdict.INSUFFICIENT, _labels_needed(pairs, alpha, labels_per_s)
        missing = f"{forecast}; {pairs.pending:,} disagreements wait for their label"
    low, high = share_interval(pairs.candidate_right, pairs.control_right, alpha=alpha)
    return TestResult(
        name=name,
        verdict=verdict,
        reason=f"of {pairs.decided:,} disagreements with one model right, the candidate is right in "
        f"{pairs.candidate_right:,}; {pairs.disagreed:,} of {pairs.pairs:,} pairs disagree",
        missing=missing,
        alpha=alpha,
        log_e=log_e,
        effect=pairs.candidate_right / pairs.decided if pairs.decided else None,
        effect_name="share_won_by_candidate",
        low=low,
        high=high,
        counts={"pairs": pairs.pairs, **pairs.as_dict()},
        forecast=forecast,
    )


def _labels_needed(pairs: PairCounts, alpha: float, labels_per_s: float | None) -> Forecast:
    if pairs.decided >= MIN_DECIDED:
        won = pairs.candidate_right / pairs.decided
        assumption = f"the candidate goes on to win {won:.0%} of what is decided"
    else:
        won = CLEAR_WINNER
        assumption = "one of the models wins two thirds of what is decided"
    # Not every disagreement decides: both may be wrong. Four of five is the guess to begin with.
    deciding = (pairs.decided + 4) / (pairs.labelled + 5)

    def after(labels: Floats) -> Floats:
        decided = labels * deciding
        return log_e_share(
            pairs.candidate_right + decided * won,
            pairs.control_right + decided * (1 - won),
            0.5,
            concentration=CONCENTRATION,
        )

    return make_forecast(after, log_threshold(alpha), unit="labels", assumption=assumption, per_s=labels_per_s)
