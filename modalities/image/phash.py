"""The perceptual hash of a picture: 64 bits that stay nearly the same when it is scaled, compressed or made brighter.

Source: Zauner (2010), "Implementation and Benchmarking of Perceptual Image Hash Functions", the DCT hash.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import InvalidInput

__all__ = ["BITS", "hash_distance", "perceptual_hash"]

BITS = 64
_SIDE = 32
_KEPT = 8
_LUMA = (0.299, 0.587, 0.114)
"""Source: ITU-R BT.601."""


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """The hash of decoded pixels, a number of 64 bits: which of the lowest frequencies lie above their median.

    Args:
        pixels: uint8 (height, width) or (height, width, 3 or 4), upright; a fourth channel is passed over.
    Raises: InvalidInput: another shape, or no pixels.
    """
    from scipy.fft import dctn

    if pixels.ndim not in (2, 3) or 0 in pixels.shape or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise InvalidInput(
            f"a picture of shape {pixels.shape} cannot be hashed",
            hint="Give it as height by width, or height by width by red, green and blue.",
        )
    colours = pixels.astype(np.float32)
    grey = colours if colours.ndim == 2 else colours[..., :3] @ np.array(_LUMA, np.float32)
    waves = dctn(_shrunk(grey), norm="ortho")[:_KEPT, :_KEPT].ravel()
    # Rounded, so that a flat picture has no bits of noise; the mean brightness has no say in the median.
    waves = np.round(waves, 3)
    above = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def hash_distance(one: int, other: int) -> int:
    """In how many of the 64 bits two hashes differ: near-duplicates up to about 8, others around 32."""
    return (one ^ other).bit_count()


def _shrunk(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each of 32 x 32 fields, float32 (32, 32); a smaller picture is repeated first."""
    for axis in (0, 1):
        length = grey.shape[axis]
        if length < _SIDE:
            grey = np.repeat(grey, -(-_SIDE // length), axis=axis)
            length = grey.shape[axis]
        starts = np.arange(_SIDE) * length // _SIDE
        sums = np.add.reduceat(grey, starts, axis=axis)
        counts = np.diff(np.append(starts, length)).astype(np.float32)
        grey = np.asarray(sums / np.expand_dims(counts, 1 - axis), np.float32)
    return grey
