"""What moves pixels, and the boxes with them: flips and crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from modalities.image.augmentation.picture import MIN_SHARE, Picture, PictureTechnique, Traced, clip_boxes

__all__ = ["Crop", "Flip", "cropped", "flipped"]


def flipped(picture: Picture) -> Picture:
    """Left and right exchanged. Animals are seldom upside down, so there is no other flip."""
    width, _ = picture.size
    boxes = picture.boxes.copy()
    boxes[:, [0, 2]] = width - picture.boxes[:, [2, 0]]
    return Picture(pixels=np.ascontiguousarray(picture.pixels[:, ::-1]), boxes=boxes, labels=picture.labels)


def cropped(picture: Picture, x0: int, y0: int, width: int, height: int, *, min_share: float = MIN_SHARE) -> Picture:
    """The part of a picture that begins at (x0, y0). Boxes are those of the part: see ``clip_boxes``."""
    moved = picture.boxes - np.array([x0, y0, x0, y0], np.float64)
    boxes, labels = clip_boxes(moved, picture.labels, (width, height), min_share=min_share)
    part = picture.pixels[y0 : y0 + height, x0 : x0 + width]
    return Picture(pixels=np.ascontiguousarray(part), boxes=boxes, labels=labels)


@dataclass(frozen=True, slots=True)
class Flip(PictureTechnique):
    """Left and right exchanged."""

    draws: ClassVar[bool] = False

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        return flipped(picture), {}


@dataclass(frozen=True, slots=True)
class Crop(PictureTechnique):
    """A random part with at least a share of both sides. One box at least stays, where there are any.

    Attributes:
        least: share of the width and of the height that is kept at least.
        min_share: see ``clip_boxes``.
    """

    least: float = 0.7
    min_share: float = MIN_SHARE

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        for _ in range(10):
            width, height = (max(1, round(side * rng.uniform(self.least, 1))) for side in picture.size)
            x0 = int(rng.integers(0, picture.size[0] - width + 1))
            y0 = int(rng.integers(0, picture.size[1] - height + 1))
            part = cropped(picture, x0, y0, width, height, min_share=self.min_share)
            if part.labels or not picture.labels:
                return part, {"crop": [x0, y0, width, height]}
        return picture, {"crop": [0, 0, *picture.size]}


flip, crop = Flip(), Crop()
