"""Owns the mistakes themselves: the ones a model was most sure of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from evaluation.predictions import Predictions

__all__ = ["Mistake", "confident_mistakes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One wrong answer.

    Attributes:
        truth: the label that the sample carries. label: what the model answered.
        confidence: the answer's probability. truth_probability: that of the label.
    """

    sample_id: str
    source: str
    group: str
    truth: str
    label: str
    confidence: float
    truth_probability: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def confident_mistakes(predictions: Predictions) -> tuple[Mistake, ...]:
    """All mistakes, most confident first; of equals, in order of the sample ids."""
    rows = np.flatnonzero(~predictions.correct)
    table, answers, labels = predictions.probabilities, predictions.predicted, predictions.labels
    order = sorted(rows.tolist(), key=lambda k: -table[k, answers[k]])
    return tuple(
        Mistake(
            sample_id=predictions.sample_ids[k],
            source=predictions.sources[k],
            group=predictions.groups[k],
            truth=labels[predictions.truth[k]],
            label=labels[answers[k]],
            confidence=float(table[k, answers[k]]),
            truth_probability=float(table[k, predictions.truth[k]]),
        )
        for k in order
    )
