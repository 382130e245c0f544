"""Owns the test whether answers are slower as a whole: a shift of all latencies, not of the rare ones alone.

Latencies are sorted into bins. Let a and q be two fixed distributions over the bins, of usual and of slower answers,
w the candidate's share and m = wq + (1−w)a. A unit's answer that falls into bin c counts q_c/m_c if the candidate gave
it, a_c/m_c if the control did. If both arms have the same latencies, distributed in whatever way, that factor has the
expectation Σ_c p_c (w q_c + (1−w) a_c)/m_c = 1; where q_c/a_c rises from bin to bin, it has at most 1 wherever the
candidate's answers are stochastically faster. So the product is a supermartingale, whatever is usual and however it
drifts; a and q only have to do with how soon it grows. They are normal in ln(latency), the second shifted upwards, by
each of some shifts; and usual answers may be other than in the reference window. The mean of all is the e-value:

    E = Σ_k v_k Π_s Π_c (q_kc/m_skc)^(candidate in c) · (a_kc/m_skc)^(control in c)

The candidate's latencies are divided beforehand by what is tolerated.

Source: Turner, Ly & Grünwald (2024), "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping", J. Stat. Plan. Inference 230, arXiv 2106.02693; with units that come in any order, by a share that is known,
instead of in blocks. The composite null is the argument above (tests enumerate it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.histogram import GROWTH, LatencyHistogram
from ab_testing.stats.mixing import Floats, log_mean_exp
from ecosight.errors import InvalidInput

__all__ = ["UsualLatency", "log_e_shift", "log_e_slower", "tolerated_buckets"]

SHIFTS = (0.15, 0.3, 0.6, 1.2, 2.4)
"""In standard deviations of ln(latency)."""
PLACES = {0.0: 0.5, -1.0: 0.1, 1.0: 0.2, 2.0: 0.1, 4.0: 0.1}
"""Where usual answers are found now, in the same unit, and how likely that is: load comes and goes, and bins that all
answers of both arms lie beyond would tell nothing."""
EDGES = np.arange(-3.0, 8.01, 0.25)
LEAST_SIGMA, MOST_SIGMA = 0.05, 2.0
_P99 = 2.3263478740408408


@dataclass(frozen=True, slots=True)
class UsualLatency:
    """How long the control's answers took before the candidate had any: what the bins are laid by."""

    median_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.median_ms <= self.p99_ms < math.inf:
            raise InvalidInput(f"a median of {self.median_ms} ms does not go with a p99 of {self.p99_ms} ms")

    @property
    def sigma(self) -> float:
        """Standard deviation of ln(latency), as of a normal distribution with these quantiles."""
        return min(max(math.log(self.p99_ms / self.median_ms) / _P99, LEAST_SIGMA), MOST_SIGMA)

    def binned(self, latencies: LatencyHistogram, *, faster_by: int = 0) -> Floats:
        """How many fall into each bin, float64 (bins,); each of them earlier by some buckets of the histogram."""
        if not latencies.buckets:
            return np.zeros(len(EDGES) + 1)
        buckets, counts = np.array(latencies.buckets).T
        found: Floats = np.zeros(len(EDGES) + 1)
        np.add.at(found, self.bins_of(buckets - faster_by), counts)
        return found

    def bins_of(self, buckets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Into which bin each bucket of a histogram falls."""
        place = (buckets * math.log(GROWTH) - math.log(self.median_ms)) / self.sigma
        return np.searchsorted(EDGES, place)


def tolerated_buckets(min_ratio: float) -> int:
    """By how many buckets of the histogram a candidate may be slower where ``min_ratio`` is the ratio that matters.

    It is half of the way (in logarithms), a tenth for 1.2: two processes of one model differ by some percent, and any
    difference becomes certain in the end, however little it is.
    """
    return max(0, math.floor(math.log(min_ratio) / (2 * math.log(GROWTH)))) if min_ratio > 0 else 0


def log_e_slower(latencies: ArmLatencies, usual: UsualLatency, *, min_ratio: float = 1.2) -> float:
    """ln of the e-value against "the candidate's answers take no longer than the control's, but for what is tolerated".

    It holds at every look, and whatever the usual latencies were. ``min_ratio``: as ``tolerated_buckets``.
    """
    if not latencies.stages:
        return 0.0
    control = np.array([usual.binned(stage.control) for stage in latencies.stages])
    faster_by = tolerated_buckets(min_ratio)
    candidate = np.array([usual.binned(stage.candidate, faster_by=faster_by) for stage in latencies.stages])
    return float(log_e_shift(control, candidate, tuple(stage.share for stage in latencies.stages)))


def log_e_shift(control: ArrayLike, candidate: ArrayLike, shares: tuple[float, ...]) -> Floats:
    """ln of the e-value against "the candidate's bins are stochastically no higher than the control's".

    Args:
        control, candidate: answers in each bin, (…, stages, bins); as ``UsualLatency.binned`` counts them.
        shares: the candidate's share at each stage.
    Returns: float64, shape of the input without its last two axes.
    Raises: InvalidInput: a share is none, or shapes do not fit.
    """
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(control, dtype=np.float64)
    if not all(each.shape[-2:] == (len(shares), len(EDGES) + 1) for each in (ours, theirs)):
        raise InvalidInput(f"answers of {ours.shape} and {theirs.shape} do not fit {len(shares)} stages")
    total = _log_weights()
    for stage, share in enumerate(shares):
        log_candidate, log_control = _bets(share)
        total = total + ours[..., stage, :] @ log_candidate.T + theirs[..., stage, :] @ log_control.T
    return log_mean_exp(total)


def _log_weights() -> Floats:
    """ln of K·v_k, (K,)."""
    weights: Floats = np.log(np.repeat(list(PLACES.values()), len(SHIFTS)) * len(PLACES))
    return weights


@lru_cache(maxsize=64)
def _bets(share: float) -> tuple[Floats, Floats]:
    """ln of what each alternative's bet becomes with an answer of the candidate's, and of the control's: (K, bins)."""
    if not 0 < share < 1:
        raise InvalidInput(f"a share must lie between 0 and 1, not {share}")
    usual = np.repeat([_normal(place) for place in PLACES], len(SHIFTS), axis=0)
    slower = np.array([_normal(place + shift) for place in PLACES for shift in SHIFTS])
    mixed = share * slower + (1 - share) * usual
    return np.log(slower / mixed), np.log(usual / mixed)


def _normal(mean: float) -> Floats:
    """Probabilities of the bins, exact in both tails."""
    edges = np.concatenate([[-np.inf], EDGES - mean, [np.inf]])
    low, high = edges[:-1], edges[1:]
    probabilities: Floats = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    return probabilities
