"""Temperature calibration: one number that makes a classifier's probabilities honest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Calibration", "calibrate", "fit_temperature"]

BOUNDS = (0.05, 20.0)
MIN_SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted temperature and what it did.

    Attributes:
        temperature: logits are divided by it before the softmax.
        reason: how it was found, or why it stayed 1.
        samples: how many it was fitted on.
        nll_before, nll_after: mean negative log-likelihood in nats at temperature 1 and at the fitted one;
            None where nothing was fitted.
    """

    temperature: float
    reason: str
    samples: int
    nll_before: float | None = None
    nll_after: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def fit_temperature(logits: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> float:
    """The temperature alone; see ``calibrate``."""
    return calibrate(logits, y).temperature


def calibrate(logits: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> Calibration:
    """Fit the temperature by minimising the negative log-likelihood on held-out samples.

    The targets are smoothed by Laplace's rule, 1/(n+2) of the mass spread over all classes: without it a held-out
    part that is classified without any error would drive the temperature to its lower bound and every probability
    to 1. The smoothing vanishes as n grows.

    Input: logits, float (n, c), finite; y, int (n,), class indices below c.
    Returns: a temperature within [0.05, 20]; 1.0 with the reason where fewer than 10 samples or only one class is
        there to learn from.
    Raises: InvalidInput: the shapes do not fit, a logit is not finite or an index is no class.
    Units: nats.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017); smoothed targets: Platt (1999), eq. 1-3.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(y)
    _check(scores, truth)
    n, present = len(truth), len(np.unique(truth))
    if n < MIN_SAMPLES:
        return Calibration(temperature=1.0, reason=f"not calibrated: {n} samples, {MIN_SAMPLES} are needed", samples=n)
    if present < 2:
        return Calibration(temperature=1.0, reason="not calibrated: the samples are all of one class", samples=n)
    targets = _smoothed(truth, scores.shape[1], 1.0 / (n + 2))
    best = minimize_scalar(
        lambda log_t: _nll(scores / np.exp(log_t), targets), bounds=tuple(np.log(BOUNDS)), method="bounded"
    )
    temperature = float(np.exp(best.x))
    hard = _smoothed(truth, scores.shape[1], 0.0)
    return Calibration(
        temperature=temperature,
        reason="minimised the negative log-likelihood on the validation part",
        samples=n,
        nll_before=_nll(scores, hard),
        nll_after=_nll(scores / temperature, hard),
    )


def _check(logits: NDArray[np.float64], y: NDArray[np.integer[Any]]) -> None:
    import numpy as np

    if logits.ndim != 2 or y.shape != (len(logits),):
        raise InvalidInput(f"calibration needs logits (n, c) and labels (n,), not {logits.shape} and {y.shape}")
    if not np.isfinite(logits).all():
        raise InvalidInput("calibration needs finite logits")
    if len(y) and not 0 <= y.min() <= y.max() < logits.shape[1]:
        raise InvalidInput(f"calibration needs class indices below {logits.shape[1]}, not {y.min()} to {y.max()}")


def _smoothed(y: NDArray[np.integer[Any]], classes: int, epsilon: float) -> NDArray[np.float64]:
    import numpy as np

    targets: NDArray[np.float64] = (1 - epsilon) * np.eye(classes)[y] + epsilon / classes
    return targets


def _nll(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Mean cross-entropy of a softmax against target distributions, by the log-sum-exp trick."""
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(targets * log_softmax).sum(axis=1).mean())
