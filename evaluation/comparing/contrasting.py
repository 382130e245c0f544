"""Owns the figures of several models in the same resamples, and the differences between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from evaluation.bootstrap import Groups, group_weights
from evaluation.comparing.aligning import Aligned
from evaluation.comparing.comparison import HEADLINES, Contrast
from evaluation.comparing.differences import (
    Ahead,
    calibration_bias,
    combined_estimate,
    difference_estimate,
    equal_always,
    of_same_bytes,
)
from evaluation.comparing.flipping import sign_flip, swapped
from evaluation.counting import Answers, Cells, Totals, figures, ratio
from evaluation.estimates import Estimate, Support, estimate
from evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Named = dict[str, NDArray[np.float64]]

__all__ = ["Contrasts"]

_AREAS = ("macro_auc", "map")
_COUNTED = ("balanced_accuracy", "macro_f1", "macro_precision")
"""Figures of the answers alone: where two models answer alike, nothing differs."""
_BY_CLASS = {"balanced_accuracy": "there", "macro_f1": "either", "macro_precision": "either", "map": "there"}
_BY_CLASS |= {"macro_auc": "there"}


class Contrasts:
    """All that is compared of some models, measured once.

    Args:
        subsets: name -> samples, bool (n,), over which shares of right answers are compared.
        bootstrap_samples, seed: of the resamples, the same for all models.
    """

    def __init__(
        self, part: Aligned, subsets: Mapping[str, NDArray[np.bool_]], *, bootstrap_samples: int, seed: int
    ) -> None:
        self._part, self._seed = part, seed
        self.groups = Groups(part.groups, seed=seed)
        self._answers = [Answers(part.truth, table) for table in part.tables]
        self._cells = [Cells(each, self.groups) for each in self._answers]
        truth = np.eye(len(part.labels), dtype=bool)[part.truth]
        rankings = [Ranking(truth, each.table, self.groups) for each in self._answers]
        self._value = [
            _headlines(figures(cells.totals()) | ranking.figures())
            for cells, ranking in zip(self._cells, rankings, strict=True)
        ]
        self._columns = {name: column for column, name in enumerate(subsets)}
        self._masks = list(subsets.values())
        n, right = self._sums(None), [self._sums(each.correct) for each in self._answers]
        chunks: list[list[Named]] = [[] for _ in self._cells]
        shares: list[list[NDArray[np.float64]]] = [[] for _ in self._cells]
        for weights in group_weights(self.groups.pools, bootstrap_samples, seed=seed):
            counted = weights @ n
            for number, (cells, ranking) in enumerate(zip(self._cells, rankings, strict=True)):
                chunks[number].append(_headlines(figures(cells.totals(weights)) | ranking.resampled(weights)))
                shares[number].append(ratio(weights @ right[number], counted))
        self._spread = [{name: np.concatenate([c[name] for c in each]) for name in each[0]} for each in chunks]
        self._shares = [np.concatenate(each) for each in shares]

    def correct(self, model: int) -> NDArray[np.bool_]:
        """Whether each sample was answered right, bool (n,)."""
        return np.asarray(self._answers[model].correct)

    def answers(self, model: int) -> Answers:
        """What a model answered."""
        return self._answers[model]

    def share(self, first: int, second: int, subset: str) -> Contrast:
        """Share of right answers over a subset; p is exact by group, None with fewer than two groups."""
        column = self._columns[subset]
        mask = self._masks[column]
        n, support = int(mask.sum()), self.groups.support(mask)
        right = [int((self._answers[model].correct & mask).sum()) for model in (first, second)]
        values = [count / n if n else float("nan") for count in right]
        ahead = self.ahead(first, second, mask)
        spread = self._shares[second][:, column] - self._shares[first][:, column]
        difference = difference_estimate(values[1] - values[0], spread, support, ahead=Ahead.of(ahead))
        return Contrast(
            first=values[0] if n else None,
            second=values[1] if n else None,
            difference=of_same_bytes(values[0]) if self._part.same(first, second) else difference,
            p=sign_flip(ahead) if support.groups > 1 else None,
            n=n,
            groups=support.groups,
        )

    def headlines(self, first: int, second: int) -> dict[str, Contrast]:
        """Every figure of two models; p by changing places in whole groups, None for areas under curves."""
        names = [name for name in HEADLINES if name in self._value[first]]
        p: dict[str, float] = {}
        if len(self.groups) > 1:
            counted = {name: self._ahead_by(first, second, name) for name in ("accuracy", "top_3_accuracy")}
            drawn = self._swapped(first, second)
            p = drawn | {name: sign_flip(ahead) for name, ahead in counted.items() if name in drawn}
        return {
            name: Contrast(
                first=_or_none(self._value[first][name]),
                second=_or_none(self._value[second][name]),
                difference=self.difference(first, second, name),
                p=p.get(name),
                n=len(self._part.truth),
                groups=len(self.groups),
            )
            for name in names
        }

    def difference(self, first: int, second: int, name: str) -> Estimate:
        """A figure of the second less that of the first."""
        values = [float(self._value[model][name][0]) for model in (first, second)]
        spreads = [self._spread[model][name] for model in (first, second)]
        if self._part.same(first, second):
            return of_same_bytes(values[0])
        support = self._support(first, second, name)
        if name in _AREAS:
            if equal_always(spreads[1] - spreads[0]):
                return difference_estimate(values[1] - values[0], spreads[1] - spreads[0], support, unlike=0)
            return combined_estimate(
                estimate(values[0], spreads[0], support),
                estimate(values[1], spreads[1], support),
                spreads[0],
                spreads[1],
            )
        ahead = self._ahead_by(first, second, name) if name in ("accuracy", "top_3_accuracy") else None
        return difference_estimate(
            values[1] - values[0],
            spreads[1] - spreads[0],
            support,
            ahead=None if ahead is None else Ahead.of(ahead),
            unlike=self._unlike(first, second) if name in _COUNTED else None,
            bounded=name not in ("log_loss", "brier"),
            biases=(self._bias(first, name), self._bias(second, name)) if name == "ece" else (0.0, 0.0),
        )

    def error(self, first: int, second: int, subset: str) -> float:
        """Standard error of a difference of shares."""
        column = self._columns[subset]
        support = self.groups.support(self._masks[column])
        spread = self._shares[second][:, column] - self._shares[first][:, column]
        return float(np.nanstd(spread)) * math.sqrt(support.widening) if support.groups > 1 else 0.0

    def ahead(self, first: int, second: int, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """By how many samples of the mask the second is ahead in each group, int64 (groups,)."""
        more = self._answers[second].correct.astype(np.int64) - self._answers[first].correct
        return np.bincount(self.groups.index, weights=more * mask, minlength=len(self.groups)).astype(np.int64)

    def _sums(self, right: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        one = np.zeros(len(self._part.truth), np.int64)
        sums = [self.groups.sums(1, one, mask if right is None else mask & right) for mask in self._masks]
        return np.hstack(sums) if sums else np.zeros((self.groups.pools, 0))

    def _ahead_by(self, first: int, second: int, name: str) -> NDArray[np.int64]:
        within = 3 if name == "top_3_accuracy" else 1
        more = (self._answers[second].rank < within).astype(np.int64) - (self._answers[first].rank < within)
        return np.bincount(self.groups.index, weights=more, minlength=len(self.groups)).astype(np.int64)

    def _bias(self, model: int, name: str) -> float:
        floor = self._cells[model].calibration_floors()[name]
        return calibration_bias(float(self._value[model][name][0]), self._spread[model][name], floor)

    def _unlike(self, first: int, second: int) -> int:
        return self.groups.count(self._answers[first].predicted != self._answers[second].predicted)

    def _support(self, first: int, second: int, name: str) -> Support:
        if name not in _BY_CLASS:
            return self.groups.support()
        places = np.arange(len(self._part.labels))
        there = [self._part.truth == place for place in places]
        if _BY_CLASS[name] == "either":
            said = [self._answers[model].predicted for model in (first, second)]
            there = [mask | (said[0] == place) | (said[1] == place) for place, mask in zip(places, there, strict=True)]
        return Support.of_classes([self.groups.support(mask) for mask in there], self.groups.support())

    def _swapped(self, first: int, second: int) -> dict[str, float]:
        classes = len(self._part.labels)
        one, other = (self._cells[model].table for model in (first, second))

        def measure(totals: NDArray[np.float64]) -> Named:
            return _headlines(figures(Totals(totals, classes)))

        return swapped(one, other, measure, seed=self._seed)


def _headlines(measured: Named) -> Named:
    return {name: measured[name] for name in HEADLINES if name in measured}


def _or_none(value: NDArray[np.float64]) -> float | None:
    return None if np.isnan(value[0]) else float(value[0])
