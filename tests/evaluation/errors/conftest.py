"""Test parts whose bad parts and wrong labels are known, because they were put there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evaluation.predictions import Predictions

Make = Callable[..., Predictions]


def made(
    rng: np.random.Generator,
    *,
    n: int = 300,
    group_count: int = 100,
    base: float = 0.1,
    bad: str = "",
    bad_rate: float = 0.5,
    clumps: str = "",
    within: bool = False,
) -> Predictions:
    """Answers to recordings of eight stations and six hours, of five classes, in groups of unequal size.

    Args:
        bad: ``station`` makes station 3 bad, ``pair`` only its first two hours.
        clumps: ``group``, ``class`` or ``hour``: has a share of mistakes of its own, within a group.
        within: class and hour differ within a group.
    """
    weights = rng.gamma(1.0, 1.0, group_count)
    groups = np.concatenate(
        [np.arange(group_count), rng.choice(group_count, n - group_count, p=weights / weights.sum())]
    )
    station = rng.integers(8, size=group_count)[groups]
    label, hour = (rng.integers(k, size=n) if within else rng.integers(k, size=group_count)[groups] for k in (5, 6))
    cells = rng.beta(3 * base, 3 * (1 - base), (group_count, 6))
    column = {"class": label, "hour": hour}.get(clumps, np.zeros(n, np.int64))
    chance = cells[groups, column] if clumps else np.full(n, base)
    chance[(station == 3) & ((hour < 2) if bad == "pair" else bool(bad))] = bad_rate
    answer = np.where(rng.random(n) < chance, (label + 1 + rng.integers(4, size=n)) % 5, label)
    table = np.full((n, 5), 0.05)
    table[np.arange(n), answer] = 0.8
    facts = {"station": station, "hour": hour, "half": np.where(hour < 3, "am", "pm")}
    return predictions(
        labels=[f"c{k}" for k in label],
        answers=table,
        groups=[f"g{k}" for k in groups],
        facts={name: [str(value) for value in values] for name, values in facts.items()},
    )


def predictions(labels: list[str], answers: Any, **more: Any) -> Predictions:
    """Answers about samples ``s0000``, ``s0001``, …, each a group of its own where nothing else is said."""
    ids = [f"s{k:04}" for k in range(len(labels))]
    known = more.pop("known", [f"c{k}" for k in range(np.shape(answers)[1])])
    return Predictions.of(
        sample_ids=ids,
        labels=labels,
        groups=more.pop("groups", ids),
        sources=more.pop("sources", [f"{each}.wav" for each in ids]),
        answers=np.asarray(answers, float),
        known_labels=known,
        model_digest="m" * 64,
        **more,
    )


@pytest.fixture
def make() -> Make:
    return made


@pytest.fixture
def say() -> Make:
    return predictions
