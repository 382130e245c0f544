"""Owns latencies as counts in fixed buckets, so that replicas add up and a quantile is known to 1%.

Bucket i holds values in (γ^(i−1), γ^i] milliseconds with γ = 1.01. A threshold is frozen at a bucket's upper edge, so
how many values lie above it is known exactly afterwards.

Source: Masson, Rim & Lee (2019), "DDSketch: a fast and fully-mergeable quantile sketch", without its collapsing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecosight.errors import InvalidInput, NotEnoughData

__all__ = ["LatencyHistogram", "bucket_of", "buckets_of", "upper_edge_ms"]

GROWTH = 1.01
LOWEST, HIGHEST = -694, 1620
"""From a microsecond to 10⁷ ms (2.8 h); what lies outside counts in the outermost bucket."""
_PER_BUCKET = math.log(GROWTH)


def bucket_of(latency_ms: float) -> int:
    """The bucket of one latency. Cheap enough for every request."""
    if latency_ms <= 0:
        return LOWEST
    return min(HIGHEST, max(LOWEST, math.ceil(math.log(latency_ms) / _PER_BUCKET)))


def buckets_of(latencies_ms: ArrayLike) -> NDArray[np.int64]:
    """The buckets of many latencies, (n,).

    Raises: InvalidInput: one is not a finite number.
    """
    values = np.asarray(latencies_ms, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise InvalidInput("a latency is not a finite number")
    with np.errstate(divide="ignore"):
        index = np.ceil(np.log(np.maximum(values, 0.0)) / _PER_BUCKET)
    return np.clip(index, LOWEST, HIGHEST).astype(np.int64)


def upper_edge_ms(bucket: int) -> float:
    """The largest latency of a bucket."""
    return math.exp(bucket * _PER_BUCKET)


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """How many latencies fell into each bucket. Sums of histograms are histograms: replicas add up.

    Attributes:
        buckets: (bucket, count above 0), by bucket.
    """

    buckets: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        merged: dict[int, int] = {}
        for bucket, count in self.buckets:
            if not (0 <= count < math.inf and LOWEST <= bucket <= HIGHEST):
                raise InvalidInput(f"{count} latencies in bucket {bucket} are none")
            merged[bucket] = merged.get(bucket, 0) + count
        object.__setattr__(self, "buckets", tuple((b, merged[b]) for b in sorted(merged) if merged[b]))

    @classmethod
    def of(cls, latencies_ms: ArrayLike) -> Self:
        """The histogram of some latencies."""
        found, counts = np.unique(buckets_of(latencies_ms), return_counts=True)
        return cls(tuple(zip(found.tolist(), counts.tolist(), strict=True)))

    @classmethod
    def counted(cls, counts: Mapping[int, int]) -> Self:
        """From counts by bucket."""
        return cls(tuple(counts.items()))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        return cls(tuple((int(bucket), int(count)) for bucket, count in told["buckets"]))

    def __add__(self, other: LatencyHistogram) -> LatencyHistogram:
        return LatencyHistogram(self.buckets + other.buckets)

    @property
    def count(self) -> int:
        return sum(count for _, count in self.buckets)

    def bucket_at(self, rank: int) -> int:
        """The bucket of the ``rank``-th smallest latency, ranks from 1.

        Raises: NotEnoughData: there are not so many.
        """
        seen = 0
        for bucket, count in self.buckets:
            seen += count
            if 1 <= rank <= seen:
                return bucket
        raise NotEnoughData(f"there is no latency of rank {rank} among {seen}")

    def quantile_ms(self, q: float) -> float:
        """The upper edge of the bucket of the q-quantile: at most 1% too large, never too small.

        Raises: NotEnoughData: there are no latencies. InvalidInput: q is not between 0 and 1.
        """
        if not 0 < q < 1:
            raise InvalidInput(f"a quantile lies between 0 and 1, not at {q}")
        return upper_edge_ms(self.bucket_at(max(1, math.ceil(q * self.count))))

    def above(self, threshold_ms: float) -> int:
        """How many latencies lie above a frozen threshold, which is a bucket's upper edge."""
        edge = round(math.log(threshold_ms) / _PER_BUCKET)
        return sum(count for bucket, count in self.buckets if bucket > edge)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {"buckets": [list(pair) for pair in self.buckets]}
