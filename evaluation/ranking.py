"""Owns AUC and average precision of every class, in the test part and in each resample of its groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.counting import mean_of_defined, ratio
from evaluation.curves import Counted, areas, count_by_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups

__all__ = ["Ranking"]

LEVELS = 128
"""Distinct scores that are told apart in resamples, for positives and for negatives each. Values are exact; only the
standard error is taken from the resamples, and it does not change from there on."""


class Ranking:
    """Every class against the rest.

    Input: truth, bool (n, c). scores, float (n, c), higher means more likely. groups, of the n samples.
    """

    def __init__(self, truth: NDArray[np.bool_], scores: NDArray[np.float64], groups: Groups) -> None:
        self.counted = [count_by_threshold(truth[:, c], scores[:, c]) for c in range(truth.shape[1])]
        self._support = truth.sum(axis=0).astype(np.float64)[None, :]
        self._sums = [
            _level_sums(each, truth[:, c], scores[:, c], groups.pool, groups.pools)
            for c, each in enumerate(self.counted)
        ]

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """``auc`` and ``average_precision`` by class, (1, c); ``macro_auc``, ``weighted_auc``, ``map`` and
        ``weighted_average_precision``, (1,): means over the classes where they are defined, weighted by positives."""
        table = np.array([areas(each) for each in self.counted]).reshape(-1, 2)
        return _named(table[:, 0][None], table[:, 1][None], self._support)

    def resampled(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The same of resamples. Input: weights, float64 (r, pools)."""
        turned = np.ascontiguousarray(weights.T)
        found = [self._areas_of(sums, turned) for sums in self._sums]
        auc, precision, support = (np.stack([each[k] for each in found], axis=1) for k in range(3))
        return _named(auc, precision, support)

    @staticmethod
    def _areas_of(sums: tuple[Any, Any], turned: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        right, wrong = sums[0] @ turned, sums[1] @ turned  # (levels, r)
        hits, alarms = right.cumsum(axis=0), wrong.cumsum(axis=0)
        auc = ratio((wrong * (hits - right / 2)).sum(axis=0), hits[-1] * alarms[-1])
        precision = ratio((right * ratio(hits, hits + alarms, empty=0.0)).sum(axis=0), hits[-1])
        return auc, precision, hits[-1]


def _named(
    auc: NDArray[np.float64], precision: NDArray[np.float64], support: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "auc": auc,
        "average_precision": precision,
        "macro_auc": mean_of_defined(auc),
        "weighted_auc": mean_of_defined(auc, support),
        "map": mean_of_defined(precision),
        "weighted_average_precision": mean_of_defined(precision, support),
    }


def _level_sums(
    counted: Counted, truth: NDArray[np.bool_], scores: NDArray[np.float64], pool: NDArray[np.int64], pools: int
) -> tuple[Any, Any]:
    """Positives and negatives by level (highest first) and pool, as two sparse matrices."""
    from scipy.sparse import csr_array

    edges = np.arange(len(counted.thresholds))
    if len(edges) > 2 * LEVELS:
        by = [np.searchsorted(column, np.linspace(0, column[-1], LEVELS)) for column in (counted.hits, counted.alarms)]
        edges = np.unique(np.r_[np.concatenate(by).clip(0, edges[-1]), edges[-1]])
    # A sample's level is the first kept threshold that is not above its score.
    level = np.searchsorted(-counted.thresholds[edges], -scores)

    def matrix(mask: NDArray[np.bool_]) -> Any:
        return csr_array((np.ones(int(mask.sum())), (level[mask], pool[mask])), shape=(len(edges), pools))

    return matrix(truth), matrix(~truth)
