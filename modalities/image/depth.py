"""Owns how a picture of more than 8 bits becomes one of 8: thermal and infrared cameras store 16 bits, or numbers.

The values of such a camera are counts or temperatures and fill a small part of their type: 7000 to 9000 of 65535, say.
On a scale that is the same for all pictures they would be one grey, so each picture's own range becomes 0 to 255. What
is lost with it is how bright the picture as a whole was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PARAMETERS", "as_8_bits", "is_deep"]

PARAMETERS = (0.1, 99.9)
"""The percentiles that become black and white. A dead pixel, or the sun, must not take the range from all others."""


def is_deep(picture: Image) -> bool:
    """Whether Pillow would cut its values off at 255 to make it RGB: ``I;16`` in every order of bytes, ``I``, ``F``."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def as_8_bits(picture: Image) -> NDArray[np.uint8]:
    """The grey values of a deep picture, its own range stretched to 0 to 255; uint8 (height, width).

    The same values give the same picture. One that is the same everywhere is black, and so is what is no number.
    """
    values = np.asarray(picture)
    low, high = _range(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values.astype(np.float32)
        scaled -= np.float32(low)
        scaled *= np.float32(255 / (high - low) if high > low else 0)
        np.nan_to_num(scaled, copy=False, nan=0, posinf=255, neginf=0)
    return np.clip(np.rint(scaled, out=scaled), 0, 255).astype(np.uint8)


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """What becomes black and white; all values that there are where the percentiles are one and the same."""
    finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    # Values that are in the picture, none between two: so a small picture keeps all of its range.
    low = np.percentile(finite, PARAMETERS[0], method="lower")
    high = np.percentile(finite, PARAMETERS[1], method="higher")
    if low == high:
        low, high = finite.min(), finite.max()
    return float(low), float(high)
