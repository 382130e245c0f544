"""Where the candidate is worst: slices of the traffic in which its bad answers stand out against the control's.

A list to look at, not a trigger: with many slices some stand out by chance, so each is marked as sure only where an
e-value corrected for their number says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.multiplicity import e_bonferroni
from ab_testing.stats.ratio import log_e_worse, rate_ratio

__all__ = ["worst_slices"]


def worst_slices(
    slices: Mapping[str, Mapping[str, ArmCounts]], *, limit: int = 8, alpha: float = 0.05
) -> list[dict[str, Any]]:
    """The slices with the most evidence of harm, most first. A pure function.

    Args:
        slices: slice, such as ``label``, to value to counts.
    Returns: objects with ``slice``, ``value``, ``candidate_bad``, ``candidate_units``, ``control_bad``,
        ``control_units``, ``ratio`` (None: undefined), ``log_e`` and ``sure``.
    """
    rows: list[dict[str, Any]] = []
    for name, values in slices.items():
        for value, counts in values.items():
            if not counts.candidate_units or not counts.candidate_bad:
                continue
            theirs, ours = counts.column("control_bad"), counts.column("candidate_bad")
            ratio = float(rate_ratio(theirs, ours, counts.shares))
            rows.append(
                {
                    "slice": name,
                    "value": value,
                    "candidate_bad": counts.candidate_bad,
                    "candidate_units": counts.candidate_units,
                    "control_bad": counts.control_bad,
                    "control_units": counts.control_units,
                    "ratio": ratio if math.isfinite(ratio) else None,
                    "log_e": float(log_e_worse(theirs, ours, counts.shares, margin=0.0)),
                }
            )
    sure = e_bonferroni([row["log_e"] for row in rows], alpha=alpha)
    for row, believed in zip(rows, sure, strict=True):
        row["sure"] = bool(believed)
    rows.sort(key=lambda row: (-row["log_e"], -row["candidate_bad"], row["slice"], row["value"]))
    return rows[:limit]
