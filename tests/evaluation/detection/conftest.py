"""Random scenes of boxes: moved, misnamed, doubled, missed; crowds, ignored boxes, ties, empty pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evaluation.detection import FoundBoxes, TrueBoxes


@dataclass(frozen=True)
class Drawn:
    truth: TrueBoxes
    found: FoundBoxes
    images: list[str]
    labels: list[str]


def draw(
    seed: int,
    *,
    images: int = 12,
    classes: int = 4,
    most: int = 6,
    crowd: float = 0.1,
    ignore: float = 0.1,
    ties: bool = True,
    false: float = 3.0,
) -> Drawn:
    """A scene; with an odd seed one class has no boxes, with some pictures neither boxes nor detections."""
    rng = np.random.default_rng(seed)
    names, labels = [f"p{n:04}.jpg" for n in range(images)], [f"c{n}" for n in range(classes)]
    true: list[tuple[Any, ...]] = []
    found: list[tuple[Any, ...]] = []
    for image in names:
        for _ in range(rng.integers(0, most)):
            label = int(rng.integers(0, classes - (seed % 2 if classes > 1 else 0)))
            side = np.exp(rng.uniform(np.log(8), np.log(250), 2))
            box = [*rng.uniform(0, 300, 2), *side]
            kind = rng.choice(3, p=[1 - crowd - ignore, crowd, ignore])
            true.append((image, labels[label], box, kind == 1, kind == 2, side.prod() * rng.choice([1.0, 0.7])))
            for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
                moved = np.array(box) + rng.normal(0, rng.choice([0.0, 0.03, 0.15]), 4) * np.r_[side, side]
                said = label if rng.random() < 0.8 else int(rng.integers(classes))
                found.append((image, labels[said], [*moved[:2], *np.abs(moved[2:])], rng.random()))
        for _ in range(rng.poisson(false) if rng.random() < 0.8 else 0):
            box = [*rng.uniform(0, 300, 2), *np.exp(rng.uniform(np.log(8), np.log(250), 2))]
            found.append((image, labels[int(rng.integers(classes))], box, rng.random() * 0.8))
    order = rng.permutation(len(found))
    score = np.array([found[k][3] for k in order])
    return Drawn(
        TrueBoxes(
            image=[row[0] for row in true],
            label=[row[1] for row in true],
            box=[row[2] for row in true],
            crowd=[row[3] for row in true],
            ignore=[row[4] for row in true],
            area=[row[5] for row in true],
        ),
        FoundBoxes(
            image=[found[k][0] for k in order],
            label=[found[k][1] for k in order],
            box=[found[k][2] for k in order],
            score=score.round(1) if ties else score,
        ),
        names,
        labels,
    )


@pytest.fixture
def draw_boxes() -> Callable[..., Drawn]:
    return draw
