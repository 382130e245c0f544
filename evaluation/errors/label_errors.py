"""Owns which samples probably carry a wrong label: confident learning, by cleanlab.

A model's probabilities say where it disagrees with the labels, and how often it disagrees for a class when the label
is right. Confident learning estimates from both how many labels of each class are really of another, and names as many.

Source: Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.predictions import Predictions

__all__ = ["LabelErrors", "SuspectedLabel", "find_label_errors"]

_LEAST = 20
"""Fewer samples give no estimate of how often a class is mistaken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedLabel:
    """A label that is probably wrong.

    Attributes:
        truth: the label that the sample carries. suggested: what it probably is.
        quality: how well the label fits, 0 to 1: its probability. confidence: that of the suggestion.
    """

    sample_id: str
    source: str
    group: str
    truth: str
    suggested: str
    quality: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """Attributes:
    suspects: worst first.
    judged: samples that could be judged. trained_on: left out, because the model learned these very labels.
    unknown: left out, because the model does not know their class.
    why_not: why nothing could be judged, or empty.
    """

    suspects: tuple[SuspectedLabel, ...] = ()
    judged: int = 0
    trained_on: int = 0
    unknown: int = 0
    why_not: str = ""

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "suspects"}
        return plain | {"suspects": [each.as_dict() for each in self.suspects]}


def find_label_errors(predictions: Predictions, trained_on: Collection[str] = ()) -> LabelErrors:
    """Judge the labels of samples that the model did not learn from.

    Args:
        trained_on: sample ids or groups that the model was trained on. A model repeats what it was taught, so its
            answers to those say nothing about their labels, and they are not judged.
    """
    taught = trained_on if isinstance(trained_on, (set, frozenset, dict)) else set(trained_on)
    places = zip(predictions.sample_ids, predictions.groups, strict=True)
    seen = np.array([sample in taught or group in taught for sample, group in places], bool)
    known = np.array([label in predictions.known_labels for label in predictions.labels], bool)
    knows = known[predictions.truth]
    rows = np.flatnonzero(~seen & knows)
    left_out = LabelErrors(trained_on=int(seen.sum()), unknown=int((~knows & ~seen).sum()))
    if not rows.size and seen.any():
        return replace(left_out, why_not="the model was trained on these samples, so it repeats their labels")
    if rows.size < _LEAST or np.unique(predictions.truth[rows]).size < 2:
        needed = f"it takes {_LEAST} samples of two known classes that were not trained on"
        return replace(left_out, why_not=needed)
    columns = np.flatnonzero(known)
    table = predictions.probabilities[rows][:, columns]
    labels = np.searchsorted(columns, predictions.truth[rows])
    names = [predictions.labels[k] for k in columns]
    suspects = tuple(
        SuspectedLabel(
            sample_id=predictions.sample_ids[rows[k]],
            source=predictions.sources[rows[k]],
            group=predictions.groups[rows[k]],
            truth=names[labels[k]],
            suggested=names[int(table[k].argmax())],
            quality=float(table[k, labels[k]]),
            confidence=float(table[k].max()),
        )
        for k in _suspected(labels, table)
    )
    return replace(left_out, suspects=suspects, judged=rows.size)


def _suspected(labels: NDArray[np.int64], table: NDArray[np.float64]) -> list[int]:
    """Rows whose label is suspected, the least fitting first."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may say that a class has few samples; the counts are told anyway
        from cleanlab.filter import find_label_issues

        found = find_label_issues(
            labels,
            table / table.sum(axis=1, keepdims=True),
            filter_by="prune_by_class",  # finds more than the other rules at the same precision
            return_indices_ranked_by="normalized_margin",
            n_jobs=1,
        )
    return [int(k) for k in found if table[k].argmax() != labels[k]]
