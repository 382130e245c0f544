"""The fingerprint of a picture: by which its copies are found, whatever size, encoding, brightness, side or crop."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import ImageSection
from ecosight.ports import Fingerprint
from modalities.image import thumbs
from modalities.image.phash import BITS, perceptual_hash
from modalities.image.reading import DECODER_VERSION, read_picture

__all__ = ["PictureFingerprinter"]

_VERSION = 2
"""Raise it when the same pixels may give another fingerprint although no parameter changed."""
_WORDS, _WORD_BITS, _SEED = 96, 16, 1
_ENOUGH = 256
_CROP = 0.05
"""Cut off at one end of both axes, or half of it at both: where a copy's frame may lie in the picture's."""


class PictureFingerprinter:
    """Finds copies of a picture; two pictures of one scene are not copies. Thread-safe, deterministic.

    Implements ``ecosight.ports.Fingerprinter``. It looks for what an archive does to a file: another size or quality,
    brightness, edges cut off; and for what training itself does to one: mirrored, left for right. It does not look for
    pictures that were turned, painted over, or of which more than 12% was cut off along an axis.
    """

    name = "picture-phash-thumbs"
    threshold = 0.66

    def __init__(self, limits: ImageSection) -> None:
        self._limits = limits

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides a fingerprint, the decoder's version with it; half of the cache key."""
        import PIL

        ours = [self.name, _VERSION, DECODER_VERSION, _WORDS, _WORD_BITS, _SEED, _ENOUGH, _CROP]
        parameters = [*ours, thumbs.PARAMETERS, PIL.__version__]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()

    def fingerprint(self, data: bytes) -> Fingerprint:
        """The fingerprint of a picture file. Raises InputError: it cannot be read."""
        pixels = read_picture(data, self._limits).pixels
        contents = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())
        small = _reduced(pixels)
        # The whole mirrored picture is enough: a mirrored copy that was cropped has it among its own frames.
        words = np.unique(np.concatenate([_words(perceptual_hash(each)) for each in (*_frames(small), small[:, ::-1])]))
        return Fingerprint(
            contents=contents.hexdigest(),
            words=words,
            places=np.zeros(len(words), np.int32),
            trace=thumbs.trace(small),
        )

    def compare(self, one: bytes, other: bytes, shift: int) -> float:
        """How surely two traces come from one picture, 0 to 1, be one of them mirrored or not.

        Pictures have no place that could be shifted.
        """
        upright = thumbs.agreement(one, other)
        if upright >= self.threshold:
            return upright
        first, second = sorted((one, other))  # whoever is asked about whom, the same one is mirrored
        return max(upright, thumbs.agreement(thumbs.mirrored(first), second))


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The means of whole squares of pixels; the shorter side keeps 256 at least, and more is never looked at."""
    from PIL import Image

    factor = min(pixels.shape[:2]) // _ENOUGH
    return np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels


def _frames(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The picture, and what a cropped copy of it might still show: the middle, and without each of the corners."""
    height, width = pixels.shape[:2]
    down, right = round(_CROP * height), round(_CROP * width)
    whole = [pixels, pixels[down // 2 : height - down + down // 2, right // 2 : width - right + right // 2]]
    corners = [pixels[y : y + height - down, x : x + width - right] for y in (0, down) for x in (0, right)]
    return [each for each in (*whole, *corners) if each.size]


def _choices() -> NDArray[np.int64]:
    """Which bits of the hash each word is made of, int64 (words, bits): always the same."""
    rng = np.random.Generator(np.random.PCG64(_SEED))
    return np.stack([rng.permutation(BITS)[:_WORD_BITS] for _ in range(_WORDS)])


def _words(number: int) -> NDArray[np.uint32]:
    """Some bits of the hash each, so that hashes which differ in a few bits still share words, uint32 (words,).

    Source: Indyk and Motwani (1998), "Approximate nearest neighbors", bit sampling.
    """
    bits = np.unpackbits(np.frombuffer(number.to_bytes(BITS // 8, "big"), np.uint8))
    values = bits[_CHOICES] @ (1 << np.arange(_WORD_BITS, dtype=np.int64))
    return (np.arange(_WORDS, dtype=np.int64) << _WORD_BITS | values).astype(np.uint32)


_CHOICES = _choices()
