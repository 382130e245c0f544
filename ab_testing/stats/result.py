"""Owns what a procedure answers: a verdict, the figures behind it, and what is missing where it cannot say yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ab_testing.stats.forecast import Forecast

__all__ = ["TestResult", "Verdict"]


class Verdict(StrEnum):
    """``no_data`` pauses: it neither promotes nor counts as failure."""

    NO_DATA = "no_data"
    INSUFFICIENT = "insufficient"
    HEALTHY = "healthy"
    PASSED = "passed"
    NO_DIFFERENCE = "no_difference"
    BREACH = "breach"
    NOT_ATTRIBUTABLE = "not_attributable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One procedure's answer, fit to be stored and shown.

    Attributes:
        name: what was tested, such as ``errors``.
        verdict: ``no_data``: an arm has no units. ``insufficient``: cannot say yet, see ``missing``. ``healthy``:
            the harm that is looked for would probably have shown by now, and has not. ``passed``: what was to be
            shown is shown. ``no_difference``: the planned end was reached without finding one. ``breach``: harm, or
            a broken split, is shown. ``not_attributable``: the figure cannot be told apart by arm.
        reason: one sentence with figures.
        missing: one sentence: what is missing and how long it will take; empty where nothing is.
        alpha: the error rate of this procedure over all looks (of one look where ``p_value`` is given).
        log_e: ln of the e-value; it rejects at ln(1/alpha). None: the procedure has none.
        p_value: of a fixed-horizon procedure at its planned end, or None.
        effect, effect_name: the estimate and what it is, such as ``rate_ratio``; None: undefined.
        low, high: the interval to show; None: no bound on that side, or none yet.
        counts: the numbers that all this was made from.
        forecast: when it will be possible to say, or None.
    """

    __test__ = False  # pytest would take the name for a test class

    name: str
    verdict: Verdict
    reason: str
    alpha: float
    missing: str = ""
    log_e: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_name: str = ""
    low: float | None = None
    high: float | None = None
    counts: Mapping[str, float] = field(default_factory=dict)
    forecast: Forecast | None = None

    @property
    def e_value(self) -> float | None:
        """The e-value; infinite where it is too large for a float."""
        if self.log_e is None:
            return None
        return math.exp(self.log_e) if self.log_e < 700 else math.inf

    @property
    def decided(self) -> bool:
        return self.verdict not in (Verdict.NO_DATA, Verdict.INSUFFICIENT)

    def as_dict(self) -> dict[str, Any]:
        """A strict JSON object: what is not finite becomes null."""
        return {
            "name": self.name,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "missing": self.missing,
            "alpha": self.alpha,
            "log_e": _finite(self.log_e),
            "p_value": _finite(self.p_value),
            "effect": _finite(self.effect),
            "effect_name": self.effect_name,
            "low": _finite(self.low),
            "high": _finite(self.high),
            "counts": dict(self.counts),
            "forecast": None if self.forecast is None else self.forecast.as_dict(),
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
