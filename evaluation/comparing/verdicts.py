"""Owns what is said of two models: better, or not to be told, and what it would take."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.comparing.comparison import ALPHA, Pair
from evaluation.comparing.correcting import CORRECTIONS

if TYPE_CHECKING:
    from evaluation.comparing.comparison import Contrast

__all__ = ["POWER", "told_p", "with_verdict"]

POWER = 0.8


def with_verdict(pair: Pair, error: float | None, *, correction: str, pairs: int) -> Pair:
    """The pair with what can be said of it, about accuracy.

    A model is called better where the corrected p-value by group is at most .05 and the interval leaves out 0: with few
    groups the two may differ by a hair, and then it cannot be told.

    Args:
        error: standard error of the difference in accuracy; None or 0 where unknown.
        pairs: how many are compared; where p-values are corrected, each has a part of the .05.
    Source: of the number of groups: Chow, Shao & Wang (2008), "Sample Size Calculations in Clinical Research",
        chapter 3 (normal approximation, power 80%); the variance of a difference falls as 1 / groups.
    """
    contrast = pair.metrics["accuracy"]
    shift = contrast.difference.value or 0.0
    if contrast.groups < 2:
        return replace(pair, verdict="cannot tell: all samples are of one group, so nothing is known of others")
    outside = contrast.difference.low is None or contrast.difference.high is None
    outside = outside or contrast.difference.low > 0 or contrast.difference.high < 0  # type: ignore[operator]
    correction = "none" if pairs == 1 else correction  # one test needs none
    seen = pair.group_corrected is not None and pair.group_corrected <= ALPHA and outside
    alpha = ALPHA if correction == "none" else ALPHA / max(1, pairs)
    reach = _reach(alpha)
    detectable = min(1.0, reach * error) if error else None
    if seen and shift:
        better, worse = (pair.second, pair.first) if shift > 0 else (pair.first, pair.second)
        verdict = f"{better} is better than {worse} by {_told(contrast, shift > 0)}; {_p(pair, correction)}"
        return replace(pair, better=better, detectable=detectable, verdict=verdict)
    more = None
    if shift and error:
        # With fewer groups than this, even one model ahead in all of them is no less likely than alpha.
        least = 1 + math.ceil(math.log2(1 / alpha))
        more = max(1, least - contrast.groups, math.ceil(contrast.groups * ((reach * error / shift) ** 2 - 1)))
    verdict = (
        f"cannot tell {pair.first} and {pair.second} apart: {_unclear(pair, contrast, correction, more, detectable)}"
    )
    return replace(pair, detectable=detectable, more_groups=more, verdict=verdict)


def told_p(p: float | None) -> str:
    """``p = .004``, ``p < .001``, or a dash."""
    if p is None:
        return "–"
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


def _unclear(pair: Pair, contrast: Contrast, correction: str, more: int | None, detectable: float | None) -> str:
    if not pair.mcnemar.only_first and not pair.mcnemar.only_second:
        return f"they are right on the same {pair.mcnemar.both} samples"
    if more is None:
        shown = f"; {contrast.groups} groups would show {100 * detectable:.1f} points" if detectable else ""
        return f"no difference in accuracy was seen ({_p(pair, correction)}){shown}"
    ahead = pair.second if (contrast.difference.value or 0) > 0 else pair.first
    return (
        f"{ahead} is ahead by {_told(contrast, ahead == pair.second)}, {_p(pair, correction)}; "
        f"if that is the difference, about {more:,} more groups would be needed"
    )


def _told(contrast: Contrast, second_ahead: bool) -> str:
    value, low, high = contrast.difference.value or 0.0, contrast.difference.low, contrast.difference.high
    sign = 1 if second_ahead else -1
    told = f"{100 * abs(value):.1f} points"
    if low is None or high is None:
        return told
    ends = sorted((100 * sign * low, 100 * sign * high))
    return f"{told} (95% {ends[0]:.1f} to {ends[1]:.1f})"


def _p(pair: Pair, correction: str) -> str:
    told = "" if correction == "none" else f" {CORRECTIONS[correction]}"
    return told_p(pair.group_corrected) + told


def _reach(alpha: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - alpha / 2) + ndtri(POWER))
