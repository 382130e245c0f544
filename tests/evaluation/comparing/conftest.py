"""Worlds in which it is known which model is better, and recordings whose clips are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from evaluation.predictions import Predictions


@dataclass(frozen=True)
class World:
    """Recordings of about ``size`` clips. Half of a clip's noise is its recording's, half of that common to all models.

    ``mixed``: a recording holds clips of all classes instead of one.
    """

    classes: int = 4
    size: int = 4
    mixed: bool = False

    def draw(self, rng: np.random.Generator, groups: int, skills: Sequence[float]) -> list[Predictions]:
        group = np.repeat(np.arange(groups), 1 + rng.poisson(self.size - 1, groups))
        n, common = len(group), rng.normal(size=(groups, self.classes))
        truth = rng.integers(self.classes, size=n) if self.mixed else rng.integers(self.classes, size=groups)[group]
        found = []
        for number, skill in enumerate(skills):
            of_group = np.sqrt(0.5) * (common + rng.normal(size=(groups, self.classes)))
            odds = 1.3 * np.sqrt(0.5) * (of_group[group] + rng.normal(size=(n, self.classes)))
            odds[np.arange(n), truth] += skill
            table = np.exp(odds)
            table /= table.sum(axis=1, keepdims=True)
            found.append(answers("ABCDEFGH"[number], [f"c{each}" for each in truth], [f"g{g}" for g in group], table))
        return found


def answers(
    model: str,
    truth: Sequence[str],
    groups: Sequence[str],
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    known: Sequence[str] | None = None,
    **facts: Sequence[str],
) -> Predictions:
    """What a model said; samples are numbered, and of three stations unless facts are told."""
    n = len(truth)
    return Predictions.of(
        sample_ids=[f"s{number:06d}" for number in range(n)],
        labels=truth,
        groups=groups,
        sources=[f"{number}.wav" for number in range(n)],
        answers=np.asarray(table, np.float64),
        known_labels=known or [f"c{number}" for number in range(table.shape[1])],
        model_digest=model * 8,
        facts=facts or {"station": [f"st{number % 3}" for number in range(n)]},
        model=model,
    )


def right_or_wrong(model: str, right: Sequence[int], groups: Sequence[str], **facts: Sequence[str]) -> Predictions:
    """A model of two classes that is right where told; every sample is a ``c0``."""
    table = np.where(np.asarray(right, bool)[:, None], [0.9, 0.1], [0.2, 0.8])
    return answers(model, ["c0"] * len(right), groups, table, **facts)


@pytest.fixture
def world() -> type[World]:
    return World


@pytest.fixture
def say() -> Callable[..., Predictions]:
    return answers


@pytest.fixture
def told() -> Callable[..., Predictions]:
    return right_or_wrong
