"""Cuts a box out of a picture: all pixels that it touches, nothing lost."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Protocol

from ecosight.config import ImageSection
from ecosight.errors import InvalidInput, MediaTooLarge, UnreadableMedia
from modalities.image.reading import read_picture

__all__ = ["BoxLike", "cut_picture"]

_ROUNDING_PX = 1.0
_ROUNDING_SHARE = 0.002
_EXACT = 1e-6
"""Shares of a width are seldom exact; a pixel that is touched by less than this is not touched."""


class BoxLike(Protocol):
    """What is cut; see ``dataset.readers.Box``."""

    @property
    def x0(self) -> float: ...
    @property
    def y0(self) -> float: ...
    @property
    def x1(self) -> float: ...
    @property
    def y1(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def size(self) -> tuple[int, int] | None: ...


def cut_picture(path: Path, box: BoxLike, limits: ImageSection) -> bytes:
    """The pixels within a box of the upright picture, as an RGB PNG without any notes: the same box, the same bytes.

    Raises: InvalidInput: the box is not in this picture, or was drawn on one of another size. MediaTooLarge,
        UnsupportedMedia, UnreadableMedia: the picture cannot be read.
    """
    from PIL import Image

    try:
        if path.stat().st_size > limits.max_bytes:
            raise MediaTooLarge(f"the picture has {path.stat().st_size:,} bytes, more than the {limits.max_bytes:,}")
        pixels = read_picture(path.read_bytes(), limits).pixels
    except OSError as error:
        raise UnreadableMedia(f"the picture cannot be read: {error.strerror or error}") from error
    height, width = pixels.shape[:2]
    left, top, right, bottom = _pixels(box, width, height)
    buffer = io.BytesIO()
    Image.fromarray(pixels[top:bottom, left:right]).save(buffer, "PNG")
    return buffer.getvalue()


def _pixels(box: BoxLike, width: int, height: int) -> tuple[int, int, int, int]:
    if box.size is not None and tuple(box.size) != (width, height):
        raise InvalidInput(
            f"the box was drawn on a picture of {box.size[0]} x {box.size[1]} pixels, this one has {width} x {height}",
            hint="Was the picture scaled or turned since? Export the annotations for this one.",
        )
    scale = (width, height) if box.unit == "share" else (1, 1)
    slack = _ROUNDING_SHARE * max(width, height) if box.unit == "share" else _ROUNDING_PX
    x0, x1 = box.x0 * scale[0], box.x1 * scale[0]
    y0, y1 = box.y0 * scale[1], box.y1 * scale[1]
    if min(x0, y0) < -slack or x1 > width + slack or y1 > height + slack:
        raise InvalidInput(
            f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} reaches out of the picture of {width} x {height} pixels",
            hint="Is it the picture that was annotated?",
        )
    left, top = max(0, math.floor(x0 + _EXACT)), max(0, math.floor(y0 + _EXACT))
    right, bottom = min(width, math.ceil(x1 - _EXACT)), min(height, math.ceil(y1 - _EXACT))
    if right <= left or bottom <= top:
        raise InvalidInput(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} touches no pixel")
    return left, top, right, bottom
