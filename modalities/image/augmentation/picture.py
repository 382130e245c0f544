"""A picture and the boxes on it, which stay together whatever is done to the picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import InvalidInput

__all__ = ["MIN_SHARE", "Picture", "PictureTechnique", "Traced", "clip_boxes"]

MIN_SHARE = 0.3
"""A box is dropped when less of its area than this is still in the picture."""


def _no_boxes() -> NDArray[np.float64]:
    return np.zeros((0, 4))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """An RGB picture with boxes. Pixels are never BGR: who reads with OpenCV turns them round before.

    Attributes:
        pixels: uint8 (height, width, 3), in the order red, green, blue.
        boxes: float64 (n, 4), each x0, y0, x1, y1 in pixels of this picture: x to the right, y down, from the upper
            left corner of the upper left pixel; x1 and y1 are behind the last pixel.
        labels: of the boxes, in their order.
    Raises: InvalidInput: another shape or type, or a box that is empty, not finite, or not wholly in the picture.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float64] = field(default_factory=_no_boxes)
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels, boxes = self.pixels, self.boxes
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise InvalidInput(
                f"a picture is uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}",
                hint="Convert it to RGB first; a grey picture has three equal channels.",
            )
        if boxes.shape != (len(self.labels), 4):
            raise InvalidInput(f"{len(self.labels)} labels came with boxes of shape {boxes.shape}")
        height, width = pixels.shape[:2]
        good = np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
        if not good or (boxes[:, 2] > width).any() or (boxes[:, 3] > height).any():
            raise InvalidInput(
                f"a box is empty or outside of the picture of {width} x {height} pixels",
                hint="Boxes are x0, y0, x1, y1 in pixels of this very picture; see clip_boxes.",
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def repainted(self, pixels: NDArray[np.floating[Any]]) -> Picture:
        """Other colours, 0 to 255 (rounded and limited), at the same places."""
        return Picture(pixels=np.clip(np.rint(pixels), 0, 255).astype(np.uint8), boxes=self.boxes, labels=self.labels)


Traced = tuple[Picture, Mapping[str, Any]]


class PictureTechnique(ABC):
    """A callable ``(picture, rng) -> picture`` that tells what it drew. Stateless; its ``repr`` says what it does."""

    draws: ClassVar[bool] = True
    """Whether two uses differ. One that always does the same is used once a sample."""

    @abstractmethod
    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        """The varied picture, and the parameters that were drawn (JSON)."""

    def __call__(self, picture: Picture, rng: np.random.Generator) -> Picture:
        return self.traced(picture, rng)[0]


def clip_boxes(
    boxes: NDArray[np.float64], labels: tuple[str, ...], size: tuple[int, int], *, min_share: float = MIN_SHARE
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Boxes cut off at the edges of a picture, without those of which too little is left.

    Args:
        size: width and height in pixels.
        min_share: least share of a box's area that must be in the picture, 0 to 1.
    Input: boxes float64 (n, 4) in pixels of the picture, perhaps partly or wholly outside of it.
    Returns: the boxes that are kept, all within the picture and with an area, and their labels.
    """
    limits = np.array([*size, *size], np.float64)
    clipped = np.clip(boxes, 0, limits)
    area, left = _areas(boxes), _areas(clipped)
    # A rounding error must not drop a box that is wholly inside.
    keep = (left > 0) & (left >= min_share * area * (1 - 1e-9))
    return clipped[keep], tuple(label for label, kept in zip(labels, keep, strict=True) if kept)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])
