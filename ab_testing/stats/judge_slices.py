"""Owns the view by slice: in which of many slices (sensors, classes, sites) is the candidate worse?

With many slices some look bad by chance, so each verdict is one of all slices together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.judge_rates import MARGIN, judge_rates
from ab_testing.stats.multiplicity import e_benjamini_hochberg, e_bonferroni
from ab_testing.stats.result import TestResult, Verdict
from ecosight.errors import InvalidInput

__all__ = ["judge_slices"]


def judge_slices(
    slices: Mapping[str, ArmCounts],
    *,
    name: str = "errors",
    margin: float = MARGIN,
    alpha: float = 0.05,
    correction: Literal["e-bh", "bonferroni"] = "e-bh",
) -> dict[str, TestResult]:
    """``judge_rates`` for each slice, corrected for their number.

    Args:
        slices: counts by slice.
        alpha: ``e-bh``: the share of slices called ``breach`` that may be wrong, at one look. ``bonferroni``: the
            probability that any is ever called so wrongly; use it where a verdict latches.
    """
    if correction not in ("e-bh", "bonferroni"):
        raise InvalidInput(f"no correction {correction!r}", hint="Known are e-bh and bonferroni.")
    alone = {
        key: judge_rates(counts, name=f"{name}:{key}", margin=margin, alpha=alpha) for key, counts in slices.items()
    }
    log_e = np.array([result.log_e for result in alone.values()], dtype=np.float64)
    believed = e_benjamini_hochberg(log_e, alpha=alpha) if correction == "e-bh" else e_bonferroni(log_e, alpha=alpha)
    return {
        key: _corrected(result, bool(sure), len(alone))
        for (key, result), sure in zip(alone.items(), believed, strict=True)
    }


def _corrected(result: TestResult, believed: bool, slices: int) -> TestResult:
    if result.verdict is not Verdict.BREACH or believed:
        return result
    return replace(
        result,
        verdict=Verdict.INSUFFICIENT,
        missing=f"more units are needed: on its own this would be a breach, as one of {slices} slices it is not yet",
    )
