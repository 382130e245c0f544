"""Owns the verdict of one look at a planned end.

Before the planned end nothing is concluded, and no p-value is shown that could tempt one to. Asked again after it, it
would be peeking: keep the first answer.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.fixed_horizon import FixedTest, bca_bootstrap, chi_square, mcnemar_exact, welch
from ab_testing.stats.forecast import Forecast, seconds_until
from ab_testing.stats.moments import Moments
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.result import TestResult, Verdict
from ecosight.errors import InvalidInput

__all__ = ["FixedEvidence", "judge_fixed", "side"]

FixedEvidence = ArmCounts | PairCounts | tuple[Moments, Moments] | tuple[ArrayLike, ArrayLike]
"""Decides the test: ArmCounts chi-square on bad units · PairCounts McNemar · (control, candidate) moments Welch's t ·
(control, candidate) values BCa bootstrap."""


def judge_fixed(
    evidence: FixedEvidence,
    *,
    planned_n: int,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    statistic: str = "mean",
    seed: int = 0,
    per_s: float | None = None,
) -> TestResult:
    """Does the candidate differ, asked once, at ``planned_n`` units of both arms together (or pairs)?

    Args:
        planned_n: fixed before the first unit, such as by ``power.rates_n``.
        higher_is_better: of the means or values; bad units are always better when fewer, accuracy when higher.
        statistic, seed: of the bootstrap: ``mean`` or ``median``.
        per_s: units (or pairs) a second at present, for the forecast.
    Returns: ``insufficient`` before the planned end; then ``passed`` (better), ``breach`` (worse), ``no_difference``.
    Raises: InvalidInput: no planned number; or counts at more than one share: pooling them is not valid where the base
        rate drifts.
        NotEnoughData: an arm has too few units, or no value differs from another.
    """
    if not 1 <= planned_n < math.inf:
        raise InvalidInput(
            f"{planned_n} is no number of units to plan", hint="Fix it before the first unit: ab_testing.stats.power."
        )
    name, seen, waiting, unit = _describe(evidence)
    if seen - waiting < planned_n:
        return _not_yet(name, seen, waiting, planned_n, alpha, unit, per_s)
    if isinstance(evidence, ArmCounts):
        test, effect_name, better = _rates(evidence, alpha), "rate_difference", False
    elif isinstance(evidence, PairCounts):
        test = mcnemar_exact(evidence.candidate_right, evidence.control_right, evidence.pairs, alpha=alpha)
        effect_name, better = "accuracy_difference", True
    else:
        effect_name, better = f"{statistic}_difference", higher_is_better
        test = _values(evidence, alpha, statistic, seed)
    differs = test.low > 0 or test.high < 0 if test.p_value is None else test.p_value <= alpha
    return TestResult(
        name=name,
        verdict=side(differs, test.effect, better),
        reason=f"the candidate's figure differs by {test.effect:+.4g}, between {test.low:+.4g} and {test.high:+.4g}",
        alpha=alpha,
        p_value=test.p_value,
        effect=test.effect,
        effect_name=effect_name,
        low=test.low,
        high=test.high,
        counts={unit: seen, "planned": planned_n},
    )


def side(differs: bool, effect: float, higher_is_better: bool) -> Verdict:
    """Better, worse, or no difference found."""
    if not differs:
        return Verdict.NO_DIFFERENCE
    return Verdict.PASSED if (effect > 0) is higher_is_better else Verdict.BREACH


def _describe(evidence: FixedEvidence) -> tuple[str, int, int, str]:
    """Name of the test, units seen, units that wait for a label, and what a unit is."""
    if isinstance(evidence, ArmCounts):
        return "chi_square", evidence.control_units + evidence.candidate_units, 0, "units"
    if isinstance(evidence, PairCounts):
        return "mcnemar", evidence.pairs, evidence.pending, "pairs"
    control, candidate = evidence
    if isinstance(control, Moments) and isinstance(candidate, Moments):
        return "welch_t", control.n + candidate.n, 0, "units"
    return "bootstrap_bca", _length(control) + _length(candidate), 0, "units"


def _length(values: Any) -> int:
    return len(values)


def _rates(counts: ArmCounts, alpha: float) -> FixedTest:
    if len(counts.stages) != 1:
        raise InvalidInput(
            f"a fixed-horizon test takes counts at one share, these are at {len(counts.stages)}",
            hint="Keep the split as it is until the planned end, or use the sequential test.",
        )
    return chi_square(
        (counts.control_bad, counts.control_units), (counts.candidate_bad, counts.candidate_units), alpha=alpha
    )


def _values(evidence: tuple[Any, Any], alpha: float, statistic: str, seed: int) -> FixedTest:
    control, candidate = evidence
    if isinstance(control, Moments):
        return welch(control, candidate, alpha=alpha)
    return bca_bootstrap(control, candidate, seed=seed, statistic=statistic, alpha=alpha)


def _not_yet(
    name: str, seen: int, waiting: int, planned: int, alpha: float, unit: str, per_s: float | None
) -> TestResult:
    left = planned - (seen - waiting)
    forecast = Forecast(
        units=left, unit=unit, seconds=seconds_until(left, per_s), assumption="nothing is concluded early"
    )
    labels = f"; {waiting:,} wait for their label" if waiting else ""
    return TestResult(
        name=name,
        verdict=Verdict.INSUFFICIENT if seen else Verdict.NO_DATA,
        reason=f"{seen:,} of the planned {planned:,} {unit} were seen",
        missing=f"{forecast}{labels}",
        alpha=alpha,
        counts={unit: seen, "planned": planned, "waiting": waiting},
        forecast=forecast,
    )
