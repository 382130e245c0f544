"""Owns one class against the rest, over all thresholds: counts, areas, and curves thin enough to keep and to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ClassCurve", "Counted", "areas", "best_threshold", "count_by_threshold", "thin_curve"]

MOST_POINTS = 64


@dataclass(frozen=True, slots=True)
class Counted:
    """What would be found at each distinct score, highest first: samples with at least that score.

    Attributes:
        thresholds: float64 (k,), falling. hits, alarms: float64 (k,), positives and negatives at or above it.
        positives, negatives: how many there are at all.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.float64]
    alarms: NDArray[np.float64]
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCurve:
    """One class at up to 64 thresholds, highest first; ROC and PR curve are both read off it.

    Attributes:
        label: the class. positives, negatives: samples of it, and others (0 where none are counted, as for boxes).
        thresholds, hits, alarms: as in ``Counted``; an answer counts if its score is at least the threshold.
    """

    label: str
    positives: int
    negatives: int
    thresholds: tuple[float, ...]
    hits: tuple[int, ...]
    alarms: tuple[int, ...]

    @property
    def recall(self) -> list[float]:
        """Share of the positives that are found (true positive rate), by threshold; 0 without positives."""
        return [hits / max(1, self.positives) for hits in self.hits]

    @property
    def precision(self) -> list[float]:
        """Share of what is found that is right, by threshold."""
        return [hits / max(1, hits + alarms) for hits, alarms in zip(self.hits, self.alarms, strict=True)]

    @property
    def false_positive_rate(self) -> list[float]:
        """Share of the negatives that are found, by threshold; 0 without negatives."""
        return [alarms / max(1, self.negatives) for alarms in self.alarms]

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> ClassCurve:
        """What ``dataclasses.asdict`` gave."""
        lists = {name: tuple(plain[name]) for name in ("thresholds", "hits", "alarms")}
        return cls(**{**plain, **lists})


def count_by_threshold(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> Counted:
    """Count one class against the rest. Input: truth, bool (n,). scores, float (n,)."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores, right = scores[order], truth[order]
    last = np.r_[np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1] if len(scores) else np.zeros(0, np.int64)
    hits = np.cumsum(right)[last]
    positives = int(right.sum())
    return Counted(
        sorted_scores[last], hits.astype(np.float64), 1.0 + last - hits, positives, int(len(scores) - positives)
    )


def areas(counted: Counted) -> tuple[float, float]:
    """Area under the ROC curve, and average precision; NaN where undefined.

    The first needs both positives and negatives; it is the chance that a positive scores higher than a negative,
    ties counting half. The second needs positives: the mean precision at each of them, steps not interpolated.

    Source: Fawcett (2006), "An introduction to ROC analysis"; ``sklearn.metrics.average_precision_score``.
    """
    hits, alarms = counted.hits, counted.alarms
    gain, false = np.diff(hits, prepend=0.0), np.diff(alarms, prepend=0.0)
    auc = precision = float("nan")
    if counted.positives and counted.negatives:
        auc = float((false * (hits - gain / 2)).sum()) / counted.positives / counted.negatives
    if counted.positives:
        precision = float((gain * hits / (hits + alarms)).sum()) / counted.positives
    return auc, precision


def thin_curve(label: str, counted: Counted) -> ClassCurve:
    """The curve at the thresholds that matter to the eye: even steps of hits, and even steps of false alarms."""
    kept = np.arange(len(counted.thresholds))
    if len(kept) > MOST_POINTS:
        half = MOST_POINTS // 2
        by = [np.searchsorted(column, np.linspace(0, column[-1], half)) for column in (counted.hits, counted.alarms)]
        kept = np.unique(np.clip(np.concatenate(by), 0, len(kept) - 1))
    return ClassCurve(
        label=label,
        positives=counted.positives,
        negatives=counted.negatives,
        thresholds=tuple(round(float(each), 6) for each in counted.thresholds[kept]),
        hits=tuple(int(each) for each in counted.hits[kept]),
        alarms=tuple(int(each) for each in counted.alarms[kept]),
    )


def best_threshold(counted: Counted) -> float | None:
    """The highest threshold with the best F1; None without positives. To be chosen on a validation part."""
    if not counted.positives:
        return None
    f1 = 2 * counted.hits / (counted.hits + counted.alarms + counted.positives)
    return float(counted.thresholds[int(f1.argmax())])
