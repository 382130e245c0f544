"""Small grey copies of pictures, and how well one lies on the other: what tells a copy from another shot of a scene."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARAMETERS", "agreement", "mirrored", "trace"]

_SIDE = 64
_ROUGH, _SEEN = 24, 48
"""Fields a side in which the place where two thumbs fit is looked for, and in which they are compared there."""
_BLOCK = 6
_UNIT, _MOST_CUT, _COARSE = 0.005, 24, 4
"""How much may be cut off along one axis, in units of a share of it; looked for in coarse steps, then unit by unit."""
_FLAT = 4.0
"""Grey values; a contrast below it is noise."""
_DARK, _LIGHT, _HALF = 8.0, 240.0, 0.5
"""Grey values beyond which a field may have been cut off at black or white; the share that must lie between."""
PARAMETERS = (_SIDE, _ROUGH, _SEEN, _BLOCK, _UNIT, _MOST_CUT, _COARSE, _FLAT, _DARK, _LIGHT, _HALF)
Cut = tuple[int, int]
"""What is cut off at the two ends of an axis, in units."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Source: ITU-R BT.601."""


def trace(pixels: NDArray[np.uint8]) -> bytes:
    """The means of 64 x 64 fields in grey, one byte each. Input: uint8 (height, width, 3), not empty."""
    grey = pixels.astype(np.float32) @ _LUMA
    small = _drawn(0, 1, grey.shape[0], _SIDE) @ grey @ _drawn(0, 1, grey.shape[1], _SIDE).T
    return np.rint(small).astype(np.uint8).tobytes()


def mirrored(thumb: bytes) -> bytes:
    """The thumb of the same picture, left for right."""
    return np.frombuffer(thumb, np.uint8).reshape(_SIDE, _SIDE)[:, ::-1].tobytes()


def agreement(one: bytes, other: bytes) -> float:
    """How well the worst place of one thumb fits the other, 0 to 1: 1 is the same picture, made brighter or not.

    One may be a part of the other: along each axis up to 12% may be cut off, at both ends together. Where both fit
    best, grey values are matched by a line (brightness and contrast) that ends at black and white, as a picture that
    was made brighter does, and what is left is looked at block by block:
    compression leaves little everywhere, an animal that moved leaves much in one place.

    Returns: 1 less the largest deviation of a block, root mean square, in units of the picture's contrast.
    """
    first, second = (np.frombuffer(each, np.uint8).reshape(_SIDE, _SIDE).astype(np.float32) for each in (one, other))
    return max(_fit(first, second), _fit(second, first))


def _fit(inner: NDArray[np.float32], outer: NDArray[np.float32]) -> float:
    """The agreement of a thumb with the best part of the other."""
    steps = range(0, _MOST_CUT + 1, _COARSE)
    cuts = [(low, high) for low in steps for high in steps if low + high <= _MOST_CUT]
    down, right, _ = _best(_centred(inner, _ROUGH), outer, cuts, cuts)
    wanted = _centred(inner, _SEEN)
    for _ in range(2):  # one axis after the other, each from where the other one fits best
        down, right, _ = _best(wanted, outer, _around(down), [right])
        down, right, _ = _best(wanted, outer, [down], _around(right))
    left = _left(_drawn_as((0, 0), (0, 0), inner), _drawn_as(down, right, outer))
    left = left.reshape(_SEEN // _BLOCK, _BLOCK, _SEEN // _BLOCK, _BLOCK)
    contrast = max(float(wanted.std()), _FLAT)
    return float(np.clip(1 - np.sqrt((left**2).mean(axis=(1, 3))).max() / contrast, 0, 1))


def _left(wanted: NDArray[np.float32], part: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a line from the grey values of a part to those that are wanted does not explain; float32 (n,) each.

    Fields near black or white in either are left out of the line: what was cut off there lies on none.
    """
    within = (np.minimum(wanted, part) > _DARK) & (np.maximum(wanted, part) < _LIGHT)
    seen = within if within.mean() >= _HALF else np.ones_like(within)
    mean, mean_of_part = wanted[seen].mean(), part[seen].mean()
    x, y = part[seen] - mean_of_part, wanted[seen] - mean
    gain = max(float(x @ y) / max(float(x @ x), 1e-6), 0.0)
    return np.asarray(wanted - np.clip(mean + gain * (part - mean_of_part), 0, 255), np.float32)


def _drawn_as(down: Cut, right: Cut, thumb: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of a thumb after two cuts, in the fields that are compared, float32 (fields * fields,)."""
    return np.asarray((_window(down, _SEEN) @ thumb @ _window(right, _SEEN).T).ravel())


def _best(
    wanted: NDArray[np.float32], outer: NDArray[np.float32], rows: list[Cut], columns: list[Cut]
) -> tuple[Cut, Cut, NDArray[np.float32]]:
    """Of all parts of a thumb, by what is cut off its rows and columns, the one most like what is wanted.

    Input: wanted, a square of any size, float32 (n * n,), mean 0.
    Returns: the two cuts, and the part drawn as large, less its mean. Of equals, the one with the least cut off.
    """
    side = math.isqrt(len(wanted))
    down, right = (np.stack([_window(cut, side) for cut in cuts]) for cuts in (rows, columns))
    parts = np.einsum("ist,jut->ijsu", down @ outer, right, optimize=True).reshape(-1, len(wanted))
    parts -= parts.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", parts, parts)) * np.linalg.norm(wanted)
    likeness = parts @ wanted / np.maximum(lengths, 1e-6)
    best = int(likeness.argmax())
    return rows[best // len(columns)], columns[best % len(columns)], parts[best]


def _centred(thumb: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The whole thumb in so many fields a side, less its mean, float32 (side * side,)."""
    whole = _window((0, 0), side)
    seen = (whole @ thumb @ whole.T).ravel()
    return np.asarray(seen - seen.mean())


def _around(cut: Cut) -> list[Cut]:
    """Cuts that differ from one by less than a coarse step."""
    near = range(-_COARSE // 2, _COARSE // 2 + 1)
    return [(cut[0] + low, cut[1] + high) for low in near for high in near if min(cut[0] + low, cut[1] + high) >= 0]


@cache
def _window(cut: Cut, fields: int) -> NDArray[np.float32]:
    """Draws what is left of an axis of 64 pixels as so many fields, float32 (fields, 64)."""
    return _drawn(cut[0] * _UNIT, 1 - cut[1] * _UNIT, _SIDE, fields)


def _drawn(low: float, high: float, length: int, fields: int) -> NDArray[np.float32]:
    """The means over equal fields between two places of an axis, each pixel by how much of it lies in the field.

    Returns: float32 (fields, length), rows sum to 1.
    """
    edges = np.linspace(low, high, fields + 1) * length
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
