"""Owns the figures of a test part beside those of each resample of its groups."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evaluation.counting import PROBABILITY_FLOOR, mean_of_defined
from evaluation.estimates import UNDEFINED, Estimate, Kind, Support, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups

__all__ = ["LOSSES", "Spread", "class_supports", "kind_of"]


_FIGURES = ("precision", "recall", "f1", "auc", "average_precision")
_MEANS = {f"{mean}_{figure}": figure for mean in ("macro", "weighted") for figure in _FIGURES}
_MEANS |= {"balanced_accuracy": "recall", "map": "average_precision"}
"""Figures that are means over classes, each with the classes' figure."""
_LIKE_ACCURACY = {"weighted_recall", "weighted_f1"}
"""Of these means, those that are the accuracy or nearly so: they rest on all samples as it does."""


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("macro_auc", "weighted_auc"), "ranking"),
    "weighted_precision": "lifted",
    **dict.fromkeys(("map", "weighted_average_precision"), "interpolated"),
    **dict.fromkeys(("log_loss", "brier"), "loss"),
    "ece": "calibration",
    "classwise_ece": "classwise",
}
LOSSES = {"log_loss": -math.log(PROBABILITY_FLOOR), "brier": 2.0}
"""What they can be at most where one class is right."""


def kind_of(name: str) -> Kind:
    """The scale of a figure, by its name."""
    return _KINDS.get(name, "share")


class Spread:
    """Named figures with their resamples.

    Input: value, each (1,) or (1, c), NaN where undefined. resampled, the same names in chunks, each (r,) or (r, c).
        floors, of calibration errors, and most, of losses: see ``estimate``.
    """

    def __init__(
        self,
        value: Mapping[str, NDArray[np.float64]],
        resampled: Iterable[Mapping[str, NDArray[np.float64]]],
        floors: Mapping[str, float] | None = None,
        most: Mapping[str, float] = LOSSES,
    ) -> None:
        chunks = list(resampled)
        self._value, self._floors, self._most = value, floors or {}, most
        self._spread = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in value}

    def is_defined(self, figure: str) -> NDArray[np.bool_]:
        """Whether a figure of classes is defined, bool (c,)."""
        undefined: NDArray[np.bool_] = np.isnan(self._value[figure][0])
        return ~undefined

    def mean_of_some(self, figure: str, some: NDArray[np.bool_], each: Sequence[Support], every: Support) -> Estimate:
        """The mean of a figure over some classes, bool (c,)."""
        resampled = self._spread[figure][:, some]
        supports = [support for support, wanted in zip(each, some, strict=True) if wanted]
        support = Support.of_classes(supports, every, _variances(resampled))
        return estimate(float(np.nanmean(self._value[figure][0][some])), mean_of_defined(resampled), support)

    def overall(
        self,
        names: Sequence[str],
        supports: Mapping[str, Sequence[Support]],
        every: Support,
        sizes: NDArray[np.int64],
    ) -> dict[str, Estimate]:
        """Figures over all classes, by name.

        Args:
            supports: of the classes, by figure, as ``class_supports`` gives them. every: of all samples.
            sizes: samples of each class, int (c,).
        """
        found: dict[str, Estimate] = {}
        for name in names:
            if (figure := _MEANS.get(name)) and name not in _LIKE_ACCURACY:
                weights = sizes if name.startswith("weighted") else None
                found[name] = self.mean_over(name, figure, supports[figure], every, weights=weights)
            else:
                found[name] = self.of(name, every)
        return found

    def mean_over(
        self,
        name: str,
        classes: str,
        each: Sequence[Support],
        every: Support,
        kind: Kind | None = None,
        *,
        weights: NDArray[np.int64] | None = None,
    ) -> Estimate:
        """A figure that is the mean of ``classes``, the same figure of each class; empty where that is not known.

        Args:
            weights: of the classes in the mean, int (c,); None: they count alike.
        """
        variances = None
        if classes in self._spread:
            variances = _variances(self._spread[classes]) * (1 if weights is None else weights**2)
        support = Support.of_classes(each, every, variances, by_size=weights is not None)
        if classes == "auc":
            # Every sample is compared with all others, those of groups that were drawn twice as well: resamples spread
            # as far as the figure itself already.
            support = replace(support, widening=1.0)
        return self.of(name, support, kind=kind)

    def of(self, name: str, support: Support, column: int | None = None, kind: Kind | None = None) -> Estimate:
        """The figure with its interval; ``column`` picks a class, ``kind`` is that of the name where it is not told.

        Unknown names are undefined.
        """
        if name not in self._value:
            return UNDEFINED
        value, spread = self._value[name], self._spread[name]
        if column is not None:
            value, spread = value[:, column], spread[:, column]
        floor, most = self._floors.get(name), self._most.get(name, math.inf)
        return estimate(float(value[0]), spread, support, kind or kind_of(name), floor=floor, most=most)


def _variances(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column; NaN for a class that is in no resample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        variances: NDArray[np.float64] = np.nanvar(resampled, axis=0)
    return variances


def class_supports(groups: Groups, truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> dict[str, list[Support]]:
    """What each class's figures rest on: figure -> a support for each class.

    Input: truth, said, bool (n, c): whether a sample is of a class, and whether the model said so.
    """

    def over(mask: NDArray[np.bool_]) -> list[Support]:
        return [groups.support(column) for column in mask.T]

    there = over(truth)

    def least(others: list[Support]) -> list[Support]:
        """Of both, what says less: one group that holds most of a class weighs on all its figures."""
        pairs = zip(there, others, strict=True)
        return [
            min((each for each in pair if each.groups), key=lambda each: each.free, default=pair[0]) for pair in pairs
        ]

    return {
        "precision": least(over(said)),
        "recall": there,
        "f1": least(over(truth | said)),
        "auc": [min(pair, key=lambda each: each.free) for pair in zip(there, over(~truth), strict=True)],
        "average_precision": there,
    }
