"""Owns the weights of Thompson sampling: an arm gets units in proportion to the probability that it is the best.

Weights are drawn once a stage, frozen and logged, so that the conditional tests know each unit's probabilities. The
same seed, stage and counts give the same weights.

Source: Thompson (1933); Chapelle & Li (2011), "An empirical evaluation of Thompson sampling".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ab_testing.stats.mixing import Floats
from ecosight.errors import InvalidInput
from ecosight.seeds import generator

__all__ = ["BUCKETS", "best_probabilities", "thompson_weights"]

BUCKETS = 10_000
"""The router's."""
DRAWS = 4000


def best_probabilities(right: Sequence[int], wrong: Sequence[int], *, seed: int, stage: int) -> Floats:
    """How probable it is of each arm to be the best, from draws of the Beta(1 + right, 1 + wrong) posteriors.

    Raises: InvalidInput: fewer than two arms, or counts below 0.
    """
    hits, misses = np.asarray(right, dtype=np.int64), np.asarray(wrong, dtype=np.int64)
    if hits.ndim != 1 or hits.shape != misses.shape or len(hits) < 2 or min(hits.min(), misses.min()) < 0:
        raise InvalidInput(f"{right} and {wrong} are no counts of two arms or more")
    rng = generator(seed, "thompson", stage)
    drawn = rng.beta(1 + hits, 1 + misses, size=(DRAWS, len(hits)))
    wins: Floats = np.bincount(drawn.argmax(axis=1), minlength=len(hits)) / DRAWS
    return wins


def thompson_weights(
    right: Sequence[int], wrong: Sequence[int], *, seed: int, stage: int, least: float = 0.05
) -> tuple[int, ...]:
    """Router buckets of each arm for the stage that begins; they sum to 10,000.

    Args:
        right, wrong: labelled units of each arm, of all stages so far.
        seed, stage: name the draw.
        least: no arm gets less than this share: an arm without units can never recover, nor be judged.
    Raises: InvalidInput: the counts are none, or the arms cannot all have their least share.
    """
    arms = len(right)
    if not 0 < least * arms <= 1:
        raise InvalidInput(f"{arms} arms cannot each have at least a share of {least}")
    shares = least + (1 - least * arms) * best_probabilities(right, wrong, seed=seed, stage=stage)
    buckets = np.floor(shares * BUCKETS).astype(np.int64)
    # Largest remainders take the buckets that rounding left over; ties go to the arm named first.
    left = np.argsort(-(shares * BUCKETS - buckets), kind="stable")[: BUCKETS - int(buckets.sum())]
    buckets[left] += 1
    return tuple(int(each) for each in buckets)
