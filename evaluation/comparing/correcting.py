"""Owns the correction of p-values for looking at many pairs, classes or slices at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecosight.errors import InvalidInput

__all__ = ["CORRECTIONS", "corrected"]

CORRECTIONS = {
    "holm": "after Holm",
    "bonferroni": "after Bonferroni",
    "bh": "after Benjamini and Hochberg",
    "none": "not corrected",
}
"""Name -> how it is told. Holm and Bonferroni: with 95% not one of what is believed is wrong. bh: on average at most 5%
of it are."""


def corrected(p_values: Sequence[float | None], correction: str = "holm") -> list[float | None]:
    """Adjusted p-values of one family of tests, in its order; believe those of at most .05.

    A test that could not be made (None) stays None, and does not count.

    Raises: InvalidInput: an unknown correction.
    Source: Holm (1979), "A simple sequentially rejective multiple test procedure"; Benjamini & Hochberg (1995).
    """
    if correction not in CORRECTIONS:
        raise InvalidInput(f"there is no correction {correction!r}", hint=f"Known: {', '.join(CORRECTIONS)}.")
    made = [number for number, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[number] for number in made], np.float64)
    adjusted = _adjusted(values, correction) if made else values
    found: list[float | None] = [None] * len(p_values)
    for number, p in zip(made, adjusted, strict=True):
        found[number] = float(p)
    return found


def _adjusted(values: np.ndarray[tuple[int], np.dtype[np.float64]], correction: str) -> Sequence[float]:
    tests = values.size
    if correction == "none":
        return list(values)
    if correction == "bonferroni":
        return list(np.minimum(1.0, values * tests))
    if correction == "bh":
        from scipy.stats import false_discovery_control

        return list(false_discovery_control(values, method="bh"))
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(tests)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(tests, 0, -1)))
    return list(adjusted)
