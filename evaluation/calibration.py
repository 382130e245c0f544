"""Owns the bins of a reliability diagram: how sure the model was, and how often it was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.counting import BINS, Answers, bin_of
from evaluation.report import CalibrationBin

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["calibration", "class_calibration"]


def calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[CalibrationBin, ...]:
    """All 15 bins. Input: confidence, float (n,), from 0 to 1. right, bool (n,)."""
    bins = bin_of(confidence)
    counts = np.bincount(bins, minlength=BINS)
    sure = np.bincount(bins, weights=confidence, minlength=BINS)
    good = np.bincount(bins, weights=right, minlength=BINS)
    return tuple(
        CalibrationBin(
            low=index / BINS,
            high=(index + 1) / BINS,
            count=int(count),
            confidence=float(sure[index] / count) if count else None,
            accuracy=float(good[index] / count) if count else None,
        )
        for index, count in enumerate(counts)
    )


def class_calibration(answers: Answers, labels: Sequence[str]) -> dict[str, tuple[CalibrationBin, ...]]:
    """Label -> bins of the probability of that class, whether it was the answer or not; empty bins are left out."""
    return {
        label: tuple(each for each in calibration(answers.table[:, column], answers.truth == column) if each.count)
        for column, label in enumerate(labels)
    }
