"""Owns the verdict about memory: does the candidate leak, or when will that be known?"""

from __future__ import annotations

from ab_testing.stats.forecast import Forecast
from ab_testing.stats.growth import AFTER_MIN, LIMIT_MB_PER_MIN, GrowthEstimate, MemorySeries, memory_growth
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["judge_memory"]


def judge_memory(
    candidate: MemorySeries,
    control: MemorySeries,
    *,
    shared_process: bool = False,
    after_min: float = AFTER_MIN,
    limit_mb_per_min: float = LIMIT_MB_PER_MIN,
    name: str = "memory_growth",
    alpha: float = 0.001,
) -> TestResult:
    """Does the candidate's process surely grow faster than the control's by more than the limit?

    Args:
        candidate, control: resident memory of both processes, on one clock that began when both were loaded.
        alpha: over all looks of an hour, by simulation (see ``growth``); no sequential test is known that bears with
            warm-ups and steps.
        shared_process: both models live in one process, so nothing can be told apart.
    Returns: ``breach``: a leak; ``healthy``: surely none as fast as the limit; ``insufficient``: too early, or too
        noisy. Low and high are of Theil's interval.
    Raises: InvalidInput: a figure is not finite.
    """
    grown = memory_growth(candidate, control, after_min=after_min, limit=limit_mb_per_min, alpha=alpha)
    forecast, missing = None, ""
    if shared_process:
        verdict, grown = Verdict.NOT_ATTRIBUTABLE, GrowthEstimate(minutes=grown.minutes, bins=grown.bins)
        reason = "both models live in one process: its memory cannot be attributed to either"
    elif not (len(candidate) and len(control)):
        verdict, reason, missing = Verdict.NO_DATA, "no memory was measured", "memory of both processes is needed"
    elif grown.slope is None:
        verdict, reason = Verdict.INSUFFICIENT, f"both processes were measured for {grown.minutes:.0f} minutes"
        forecast = _forecast(after_min - grown.minutes)
        missing = str(forecast)
    else:
        verdict, missing = _verdict(grown, limit_mb_per_min)
        reason = f"the candidate's memory grows by {grown.slope:+.1f} MB a minute beyond the control's, more than "
        reason += f"{limit_mb_per_min:g} in {grown.rises} of {grown.bins - 1} steps of the last {_span(grown.minutes)}"
    return TestResult(
        name=name,
        verdict=verdict,
        reason=reason,
        missing=missing,
        alpha=alpha,
        effect=grown.slope,
        effect_name="mb_per_min",
        low=grown.low,
        high=grown.high,
        counts={"figures": len(candidate), "minutes": grown.minutes, "bins": grown.bins, "rises": grown.rises},
        forecast=forecast,
    )


def _verdict(grown: GrowthEstimate, limit: float) -> tuple[Verdict, str]:
    if grown.leaks:
        return Verdict.BREACH, ""
    if grown.high is not None and grown.high <= limit:
        return Verdict.HEALTHY, ""
    return Verdict.INSUFFICIENT, f"minutes until it is sure on which side of {limit:g} MB a minute it grows"


def _forecast(left_min: float) -> Forecast:
    """Too early; or, where it is late enough, figures are missing."""
    minutes = max(left_min, 0.5)
    return Forecast(
        units=max(1, round(minutes)), unit="minutes", seconds=minutes * 60, assumption="the warm-up is not to count"
    )


def _span(minutes: float) -> str:
    counted = minutes * 2 / 3
    return f"{counted:.0f} minutes" if counted >= 2 else f"{60 * counted:.0f} s"
