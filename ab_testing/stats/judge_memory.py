"""Owns the verdict about memory: does the candidate leak?"""

from __future__ import annotations

from ab_testing.stats.forecast import Forecast
from ab_testing.stats.growth import MIN_MINUTES, WARM_UP_MIN, MemorySeries, memory_growth
from ab_testing.stats.result import TestResult, Verdict

__all__ = ["judge_memory"]

LIMIT_MB_PER_MIN = 2.0


def judge_memory(
    candidate: MemorySeries,
    control: MemorySeries,
    *,
    shared_process: bool = False,
    limit_mb_per_min: float = LIMIT_MB_PER_MIN,
    name: str = "memory_growth",
    alpha: float = 0.05,
) -> TestResult:
    """Does the candidate's process surely grow faster than the control's by more than the limit?

    Args:
        candidate, control: resident memory of both processes, on one clock that began with the candidate.
        alpha: of the interval at one look, not of all: a slope is no count, and no sequential test of it is known that
            bears with warm-ups. Looked at every minute for forty minutes, alike processes with strongly autocorrelated
            noise were called a leak in 0 to 5 of 100 simulations.
        shared_process: both models live in one process, so nothing can be told apart.
    """
    estimate = memory_growth(candidate, control, confidence=1 - alpha)
    forecast, missing = None, ""
    reason = f"the candidate's memory grows by {estimate.slope or 0.0:+.2f} MB/min beyond the control's"
    if shared_process:
        verdict = Verdict.NOT_ATTRIBUTABLE
        reason = "both models live in one process: its memory cannot be attributed to either"
    elif not (len(candidate) and len(control)):
        verdict, reason, missing = Verdict.NO_DATA, "no memory was measured", "memory of both processes is needed"
    elif estimate.low is None:
        verdict = Verdict.INSUFFICIENT
        left = max(WARM_UP_MIN - candidate[-1][0], 0.0) + MIN_MINUTES - estimate.minutes
        forecast = Forecast(
            units=max(1, round(left)), unit="minutes", seconds=left * 60, assumption="the warm-up is not to count"
        )
        reason, missing = f"{estimate.minutes} minutes after the warm-up were measured", str(forecast)
    else:
        verdict = Verdict.BREACH if estimate.low > limit_mb_per_min else Verdict.HEALTHY
    return TestResult(
        name=name,
        verdict=verdict,
        reason=reason,
        missing=missing,
        alpha=alpha,
        effect=None if shared_process else estimate.slope,
        effect_name="mb_per_min",
        low=None if shared_process else estimate.low,
        high=None if shared_process else estimate.high,
        counts={"figures": len(candidate), "minutes": estimate.minutes},
        forecast=forecast,
    )
