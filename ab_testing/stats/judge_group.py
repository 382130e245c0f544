"""Owns the verdict of a few looks before a known end, with O'Brien-Fleming boundaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ab_testing.stats.forecast import Forecast, seconds_until
from ab_testing.stats.group_sequential import obrien_fleming_boundaries
from ab_testing.stats.judge_fixed import side
from ab_testing.stats.moments import Moments
from ab_testing.stats.result import TestResult, Verdict
from ecosight.errors import InvalidInput

__all__ = ["judge_group_sequential"]


def judge_group_sequential(
    control: Moments,
    candidate: Moments,
    looks: Sequence[int],
    *,
    max_n: int,
    name: str = "group_sequential",
    alpha: float = 0.05,
    higher_is_better: bool = True,
    units_per_s: float | None = None,
) -> TestResult:
    """A difference of means, looked at a few times before a known end, with O'Brien-Fleming boundaries.

    Args:
        looks: units of both arms together at every look so far, this one last; not chosen by what was seen.
        max_n: units of both arms together at the end.
    Raises: InvalidInput: the looks fall, this one does not fit the counts, or no end is planned.
    """
    seen = control.n + candidate.n
    if not looks or looks[-1] != seen:
        raise InvalidInput(f"the last look must be at the {seen} units that were counted, not at {list(looks)[-1:]}")
    if not 1 <= max_n < math.inf:
        raise InvalidInput(f"{max_n} is no number of units to plan")
    if any(after < before for before, after in pairwise(looks)):
        raise InvalidInput(f"looks must come one after the other, not at {list(looks)}")
    # Past the planned end the last boundary holds; the looks beyond it are peeking, and are cut off.
    shares = tuple(sorted({min(1.0, look / max_n) for look in looks}))
    boundary = obrien_fleming_boundaries(shares, alpha=alpha)[-1]
    error = _standard_error(control, candidate)
    effect = candidate.mean - control.mean
    differs = error > 0 and abs(effect) / error >= boundary
    over = seen >= max_n
    left = Forecast(
        units=max(0, max_n - seen),
        unit="units",
        seconds=seconds_until(max(0, max_n - seen), units_per_s),
        assumption="no look before the end decides",
    )
    verdict = side(differs, effect, higher_is_better) if differs or over else Verdict.INSUFFICIENT
    return TestResult(
        name=name,
        verdict=verdict,
        reason=f"|z| is {abs(effect) / error if error else 0.0:.2f}, this look's boundary is {boundary:.2f}",
        missing=str(left) if verdict is Verdict.INSUFFICIENT else "",
        alpha=alpha,
        effect=effect,
        effect_name="mean_difference",
        low=effect - boundary * error if error else None,
        high=effect + boundary * error if error else None,
        counts={"units": seen, "planned": max_n, "looks": len(looks), "boundary": boundary},
        forecast=left if verdict is Verdict.INSUFFICIENT else None,
    )


def _standard_error(control: Moments, candidate: Moments) -> float:
    if min(control.n, candidate.n) < 2:
        return 0.0
    return math.sqrt(control.variance / control.n + candidate.variance / candidate.n)
