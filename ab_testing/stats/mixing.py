"""Owns averages of e-values: the mean of e-values is an e-value, whatever they have in common."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "log_mean_exp", "log_threshold"]

Floats = NDArray[np.float64]


def log_mean_exp(values: Floats) -> Floats:
    """ln of the mean of exp(values) over the last axis, without overflow."""
    top: Floats = values.max(axis=-1, keepdims=True)
    mean: Floats = np.log(np.exp(values - top).mean(axis=-1)) + top[..., 0]
    return mean


def log_threshold(alpha: float) -> float:
    """ln(1/α): where an e-value rejects. By Ville's inequality an e-process ever gets there with probability ≤ α."""
    return -math.log(alpha)
