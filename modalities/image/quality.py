"""How good a picture is, whatever is on it: blurred, dark, overexposed, low in contrast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import Config
from modalities.image.augmentation.medium import PictureMedium

__all__ = ["PictureQuality"]

_VERSION = 1
"""Raise it when the same picture may give other figures."""
_LONG_SIDE = 512
"""Sharpness depends on the size; every picture is measured at this one, a smaller picture at its own."""
_BRIGHT = 250
_DARK = 16


class PictureQuality:
    """Figures of a picture's brightness, after it was made 512 pixels long. Implements ``ecosight.ports.QualityMeter``.

    ``sharpness``: variance of the Laplacian, brightness 0 to 255. It is low for blurred pictures, and for dark and
    empty ones too. ``brightness``: the mean, 0 to 1. ``dark_share``,
    ``bright_share``: pixels below 16 and from 250 on, of 255. ``contrast``: 95th less 5th percentile, 0 to 1.
    A picture in grey, such as one by infrared light at night, is not worse for that.

    Source: Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy: a comparative study".
    """

    name = "picture-quality"
    units: Mapping[str, str] = {
        "sharpness": "variance of the Laplacian at 512 pixels",
        "brightness": "mean brightness, 0 to 1",
        "dark_share": "share of pixels below 16 of 255",
        "bright_share": "share of pixels from 250 of 255 on",
        "contrast": "95th less 5th percentile of brightness, 0 to 1",
    }
    rules: Mapping[str, str] = {
        "blurred": "the variance of the Laplacian is below 100",
        "dark": "the mean brightness is below 0.15, or more than 60% of the pixels are black",
        "overexposed": "more than 25% of the pixels are white",
        "low contrast": "the 95th and the 5th percentile of brightness differ by less than 0.2",
    }

    def __init__(self, config: Config) -> None:
        self._medium = PictureMedium(config)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides the figures."""
        parameters = [self.name, _VERSION, PictureMedium.identity, _LONG_SIDE, _BRIGHT, _DARK]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()

    def quality(self, data: bytes) -> Mapping[str, float]:
        """The figures of a picture file. Raises: InputError: it cannot be read whole."""
        grey = _grey(self._medium.read(data).pixels)
        low, high = np.percentile(grey, [5, 95])
        figures = {
            "sharpness": _laplacian_variance(grey),
            "brightness": float(grey.mean()) / 255,
            "dark_share": float(np.mean(grey < _DARK)),
            "bright_share": float(np.mean(grey >= _BRIGHT)),
            "contrast": float(high - low) / 255,
        }
        return {name: round(value, 6) for name, value in figures.items()}

    def flags(self, figures: Mapping[str, float]) -> tuple[str, ...]:
        """See ``rules``."""
        found = {
            "blurred": figures["sharpness"] < 100,
            "dark": figures["brightness"] < 0.15 or figures["dark_share"] > 0.6,
            "overexposed": figures["bright_share"] > 0.25,
            "low contrast": figures["contrast"] < 0.2,
        }
        return tuple(name for name in self.rules if found[name])


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness by ITU-R BT.601, float32 (height, width), at most 512 pixels long."""
    from PIL import Image

    picture = Image.fromarray(pixels).convert("L")
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.BOX)
    return np.asarray(picture, np.float32)


def _laplacian_variance(grey: NDArray[np.float32]) -> float:
    """Of the four neighbours less four times the pixel, inside of the border; 0 where there is no inside."""
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * inner, dtype=np.float64))
