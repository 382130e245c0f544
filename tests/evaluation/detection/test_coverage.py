"""How often a detector's 95% intervals hold the truth, at sites with a light of their own: some cameras see badly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluation.detection import FoundBoxes, TrueBoxes, evaluate_detection

HEADLINES = ("map", "map50", "ar_100", "precision", "recall", "f1")
Part = tuple[TrueBoxes, FoundBoxes, list[str], dict[str, str]]


def part(rng: np.random.Generator, sites: int) -> Part:
    """Three pictures a site, one animal each: found, misnamed, badly placed or missed, as the sight there allows."""
    true: list[Any] = []
    found: list[Any] = []
    for site, sight in enumerate(rng.beta(4, 2, sites)):
        for n in range(3):
            image, label = f"{site:05}-{n}", "fox" if rng.random() < 0.6 else "owl"
            true.append((image, label, [10, 20, 100, 50]))
            if rng.random() < sight:
                said = label if rng.random() < 0.9 else "owl"
                found.append((image, said, [10, 20, 100, 30 + 20 * rng.random()], 0.3 + 0.7 * rng.random()))
            if rng.random() < 0.4 * (1 - sight):
                found.append((image, "fox", [400, 20, 50, 50], rng.random()))
    images, labels, boxes = (list(column) for column in zip(*true, strict=True))
    names, said, places, scores = (list(column) for column in zip(*found, strict=True))
    return (
        TrueBoxes(image=images, label=labels, box=boxes),
        FoundBoxes(image=names, label=said, box=places, score=scores),
        images,
        {image: image[:5] for image in images},
    )


def coverage(sites: int, trials: int) -> dict[str, float]:
    rng = np.random.default_rng(5)
    truth, found, images, _ = part(rng, 5000)
    aim = evaluate_detection(truth, found, images, bootstrap_samples=1)
    held = dict.fromkeys(HEADLINES, 0)
    for trial in range(trials):
        truth, found, images, groups = part(rng, sites)
        report = evaluate_detection(truth, found, images, groups=groups, bootstrap_samples=100, seed=trial)
        for name in HEADLINES:
            estimate, value = getattr(report, name), getattr(aim, name).value
            held[name] += estimate.low <= value <= estimate.high
    return {name: count / trials for name, count in held.items()}


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """60 test parts of 30 sites: 95%, within three standard errors of the simulation."""
    found = coverage(30, 60)
    assert all(share >= 0.86 for share in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("sites", [30, 100])
def test_coverage_is_between_93_and_97_percent(sites: int) -> None:
    """600 test parts each; two standard errors of the simulation (1.8 points) are granted."""
    found = coverage(sites, 600)
    print(sites, found)
    assert all(0.93 - 0.018 <= share <= 0.97 + 0.018 for share in found.values()), found
