"""The hash of a picture stays while the picture is only stored otherwise, and differs for another picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosight.errors import InvalidInput
from modalities.image.phash import BITS, hash_distance, perceptual_hash

Image = pytest.importorskip("PIL.Image")
Pixels = NDArray[np.uint8]


def stored(pixels: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG of quality 30": lambda pixels: stored(pixels, 30),
    "half as large": lambda pixels: np.asarray(Image.fromarray(pixels).reduce(2)),
    "brighter": lambda pixels: np.clip(pixels * 1.2, 0, 255).astype(np.uint8),
    "noise": lambda pixels: np.clip(pixels + np.random.default_rng(0).normal(0, 10, pixels.shape), 0, 255).astype(
        np.uint8
    ),
    "without colour": lambda pixels: np.asarray(Image.fromarray(pixels).convert("L")),
}


@pytest.fixture(scope="module")
def pictures(audio_data: Path) -> list[Pixels]:
    files = sorted((audio_data / "images" / "raccoon" / "dev" / "images").glob("*.jpg"))[:25]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_has_nearly_the_hash_of_its_original(change: str, pictures: list[Pixels]) -> None:
    assert max(hash_distance(perceptual_hash(each), perceptual_hash(CHANGES[change](each))) for each in pictures) <= 8


def test_other_pictures_are_far_apart(pictures: list[Pixels]) -> None:
    hashes = [perceptual_hash(each) for each in pictures]
    distances = [hash_distance(one, other) for one, other in combinations(hashes, 2)]
    assert np.median(distances) == pytest.approx(BITS / 2, abs=3)
    assert np.mean(np.array(distances) <= 8) < 0.02  # a few of these are one picture twice


def test_odd_shapes() -> None:
    assert perceptual_hash(np.zeros((1, 1), np.uint8)) == perceptual_hash(np.full((300, 7, 3), 0, np.uint8))
    assert 0 <= perceptual_hash(np.random.default_rng(1).integers(0, 255, (31, 500, 4), np.uint8)) < 2**BITS
    for shape in ((0, 5), (4, 4, 2), (5,)):
        with pytest.raises(InvalidInput):
            perceptual_hash(np.zeros(shape, np.uint8))
