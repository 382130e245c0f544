"""Owns what is counted where a sample may have several labels: sums by group, as ``evaluation.counting`` for one label.

Where a denominator is zero: precision of a label that is there but never said is 0, of one that is neither undefined;
recall of a label that is never there, and F1 of one that is neither there nor said, are undefined; the same for each
sample in the sample averages. What is undefined is left out of means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.counting import mean_of_defined, rates, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups

__all__ = ["LabelCells"]

_RATES = ("precision", "recall", "f1")


class LabelCells:
    """What each pool of groups adds: by label hits, there, said; by sample right as a whole, and the sample's rates.

    Input: truth and said, bool (n, c). probabilities, float64 (n, c).
    """

    def __init__(
        self, truth: NDArray[np.bool_], said: NDArray[np.bool_], probabilities: NDArray[np.float64], groups: Groups
    ) -> None:
        self.labels = truth.shape[1]
        one = np.zeros(len(truth), dtype=np.int64)
        hits = truth & said
        by_sample = rates(hits.sum(axis=1), said.sum(axis=1), truth.sum(axis=1))
        columns = [groups.sums(1, one), groups.sums(1, one, (truth == said).all(axis=1))]
        columns += [groups.sums(1, one, ((probabilities - truth) ** 2).mean(axis=1))]
        for name in _RATES:
            defined = ~np.isnan(by_sample[name])
            columns += [groups.sums(1, one, np.where(defined, by_sample[name], 0.0)), groups.sums(1, one, defined)]
        for table in (hits, truth, said):
            columns += [groups.sums(1, one, table[:, c]) for c in range(self.labels)]
        self._table = np.hstack(columns)

    def figures(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Of resamples: (r,), or by label (r, c). Input: weights, float64 (r, pools)."""
        table = weights @ self._table
        n, whole, brier = table[:, 0], table[:, 1], table[:, 2]
        by_sample = {name: ratio(table[:, 3 + 2 * k], table[:, 4 + 2 * k]) for k, name in enumerate(_RATES)}
        hits, there, said = np.split(table[:, 9:], 3, axis=1)
        by_label = rates(hits, said, there)
        micro = rates(*(each.sum(axis=1) for each in (hits, said, there)))
        wrong = (there + said - 2 * hits).sum(axis=1)
        return {
            "subset_accuracy": whole / n,
            "hamming_loss": wrong / n / self.labels,
            "brier": brier / n,
            **{f"micro_{name}": values for name, values in micro.items()},
            **{f"macro_{name}": mean_of_defined(values) for name, values in by_label.items()},
            **{f"weighted_{name}": mean_of_defined(values, there) for name, values in by_label.items()},
            **{f"samples_{name}": values for name, values in by_sample.items()},
            **by_label,
        }
