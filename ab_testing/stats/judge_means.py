"""Owns the verdict about a difference of means that may be looked at at any time."""

from __future__ import annotations

from ab_testing.stats.asymptotic import MIN_UNITS, difference_half_width, difference_interval
from ab_testing.stats.forecast import make_forecast
from ab_testing.stats.judge_fixed import side
from ab_testing.stats.mixing import Floats
from ab_testing.stats.moments import Moments
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["judge_means"]


def judge_means(
    control: Moments,
    candidate: Moments,
    *,
    name: str = "mean",
    alpha: float = 0.05,
    higher_is_better: bool = True,
    units_per_s: float | None = None,
) -> TestResult:
    """Does the candidate's mean differ? Decides when the confidence sequence leaves out 0.

    Valid for many units, and for one share: with several, pooled means differ where the base rate drifts.
    """
    interval = difference_interval(control, candidate, alpha=alpha)
    effect = candidate.mean - control.mean
    forecast, missing = None, ""
    if not (control.n and candidate.n):
        verdict, missing = Verdict.NO_DATA, "values of both arms are needed"
    elif interval is None:
        verdict = Verdict.INSUFFICIENT
        missing = f"{MIN_UNITS} units of each arm are needed, there are {min(control.n, candidate.n)}"
    elif interval[0] > 0 or interval[1] < 0:
        verdict = side(True, effect, higher_is_better)
    else:
        verdict = Verdict.INSUFFICIENT

        def after(units: Floats) -> Floats:
            grown = 1 + units / (control.n + candidate.n)
            return abs(effect) - difference_half_width(
                control.n * grown, control.variance, candidate.n * grown, candidate.variance, alpha=alpha
            )

        forecast = make_forecast(
            after, 0.0, unit="units", assumption=f"the difference stays at {effect:+.4g}", per_s=units_per_s
        )
        missing = str(forecast)
    return TestResult(
        name=name,
        verdict=verdict,
        reason=f"the candidate's mean is {candidate.mean:.4g}, the control's {control.mean:.4g}",
        missing=missing,
        alpha=alpha,
        effect=effect if control.n and candidate.n else None,
        effect_name="mean_difference",
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        counts={"control_units": control.n, "candidate_units": candidate.n},
        forecast=forecast,
    )
