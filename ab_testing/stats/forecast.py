"""Owns "cannot say yet": how many more units it takes, and how long at the present rate.

The e-value is followed along the counts that are expected from here on. That comes close to the mean: half of all
rollouts decide within some four fifths of it, and a tenth takes about twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ab_testing.stats.mixing import Floats

__all__ = ["Forecast", "make_forecast", "seconds_until", "spoken_duration", "units_until"]

HORIZON = 10**9
_COARSE = np.concatenate([[0.0], np.unique(np.round(np.geomspace(1, HORIZON, 120)))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is missing.

    Attributes:
        units: how many more; None: never, under the assumption.
        unit: what is counted, such as ``units`` or ``labels``.
        seconds: how long that takes at the present rate; None: the rate is not known, or never.
        assumption: under which it was computed, such as "both are equally accurate".
    """

    units: int | None
    unit: str
    seconds: float | None
    assumption: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.units is None:
            return f"no number of {self.unit} would be enough: {self.assumption}"
        time = "" if self.seconds is None else f" ({spoken_duration(self.seconds)} at the present rate)"
        return f"about {self.units:,} more {self.unit}{time} are needed: {self.assumption}"


def make_forecast(
    log_e_after: Callable[[Floats], Floats],
    target: float,
    *,
    unit: str,
    assumption: str,
    per_s: float | None = None,
    each: float = 1.0,
) -> Forecast:
    """Follow the expected e-value until it reaches ``target``.

    Args:
        log_e_after: ln of the e-value after so many more steps, float64 (n,) to float64 (n,).
        target: ln(1/α).
        per_s: units a second at present; None or 0: not known.
        each: units a step, where a step is something else than what is counted.
    """
    steps = units_until(log_e_after, target)
    units = None if steps is None else int(np.ceil(steps * each))
    return Forecast(units=units, unit=unit, seconds=seconds_until(units, per_s), assumption=assumption)


def seconds_until(units: int | None, per_s: float | None) -> float | None:
    """None: never, or no rate is known."""
    return units / per_s if units is not None and per_s is not None and per_s > 0 else None


def units_until(log_e_after: Callable[[Floats], Floats], target: float) -> int | None:
    """The least number of further units after which ``target`` is reached; None: not within 10⁹."""
    reached = np.flatnonzero(log_e_after(_COARSE) >= target)
    if reached.size == 0:
        return None
    first = int(reached[0])
    if first == 0:
        return 0
    fine = np.unique(np.ceil(np.linspace(_COARSE[first - 1] + 1, _COARSE[first], 64)))
    return int(fine[np.flatnonzero(log_e_after(fine) >= target)[0]])


def spoken_duration(seconds: float) -> str:
    """A duration as people say it: ``40 s``, ``12 min``, ``3.5 h``, ``9 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{round(seconds / 86400):,} days"
