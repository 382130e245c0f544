"""Owns what promotion asks of evidence: that the candidate is shown not to be worse by more than a margin, or to be so.

Both directions are tested at the same α; a candidate right at the margin is neither passed nor refused.
"""

from __future__ import annotations

from collections.abc import Callable

from ab_testing.stats.forecast import Forecast, make_forecast
from ab_testing.stats.mixing import Floats, log_threshold
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["EQUAL", "MIN_DECIDED", "judge_promotion"]

MIN_DECIDED = 30
"""Wrong answers (or decided disagreements) below which a forecast assumes equal models instead of what was seen."""
EQUAL = "both are equally accurate"


def judge_promotion(
    name: str,
    any_data: bool,
    log_pass: float,
    log_fail: float,
    alpha: float,
    after: Callable[[Floats], Floats],
    *,
    unit: str,
    assumption: str,
    per_s: float | None,
    waiting: int,
    reason: str,
    effect: float | None,
    effect_name: str,
    interval: tuple[float, float] | None,
    counts: dict[str, float],
) -> TestResult:
    """The verdict of two e-values, with the forecast where neither decides.

    Args:
        log_pass: ln of the e-value against "worse by the margin or more".
        log_fail: ln of the e-value against "worse by the margin at most".
        after: ``log_pass`` as expected after so many more units.
        waiting: units that stand as lost until their label comes.
    Returns: the result; its ``log_e`` is of the side that decided.
    """
    forecast: Forecast | None = None
    missing = ""
    if not any_data:
        verdict, missing = Verdict.NO_DATA, "labels of both models' answers are needed"
    elif log_pass >= log_threshold(alpha):
        verdict = Verdict.PASSED
    elif log_fail >= log_threshold(alpha):
        verdict, reason = Verdict.BREACH, f"{reason}, and it is shown to be worse"
    else:
        verdict = Verdict.INSUFFICIENT
        forecast = make_forecast(after, log_threshold(alpha), unit=unit, assumption=assumption, per_s=per_s)
        missing = f"{waiting:,} wait for their label and stand as lost" if forecast.units == 0 else str(forecast)
    return TestResult(
        name=name,
        verdict=verdict,
        reason=reason,
        missing=missing,
        alpha=alpha,
        log_e=log_fail if verdict is Verdict.BREACH else log_pass,
        effect=effect,
        effect_name=effect_name,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        counts=counts,
        forecast=forecast,
    )
