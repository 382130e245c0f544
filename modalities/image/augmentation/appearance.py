"""What changes colours and leaves every pixel where it is: light, blur, and the look of a camera trap at night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modalities.image.augmentation.picture import Picture, PictureTechnique, Traced

__all__ = ["Blur", "Colour", "Night", "luma"]

Floats = NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in brightness (ITU-R BT.601). The order is that of the channels: RGB."""


def luma(pixels: NDArray[np.uint8]) -> Floats:
    """Brightness of RGB pixels, float64 (height, width, 1), 0 to 255."""
    return np.asarray((pixels @ _LUMA)[..., None])


@dataclass(frozen=True, slots=True)
class Colour(PictureTechnique):
    """Other light: brightness, contrast, saturation, and warmer or colder.

    Attributes:
        most: how far brightness, contrast and saturation go from 1, up or down. warmth: gain of red against blue.
    """

    most: float = 0.3
    warmth: float = 0.1

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        names = ("brightness", "contrast", "saturation")
        drawn = {name: round(rng.uniform(1 - self.most, 1 + self.most), 4) for name in names}
        drawn["warmth"] = round(rng.uniform(-self.warmth, self.warmth), 4)
        pixels = picture.pixels * drawn["brightness"]
        mean = pixels.mean()
        pixels = mean + (pixels - mean) * drawn["contrast"]
        grey = (pixels @ _LUMA)[..., None]
        pixels = grey + (pixels - grey) * drawn["saturation"]
        return picture.repainted(pixels * np.array([1 + drawn["warmth"], 1.0, 1 - drawn["warmth"]])), drawn


@dataclass(frozen=True, slots=True)
class Blur(PictureTechnique):
    """Out of focus: a Gaussian whose width depends on the picture's size.

    Attributes:
        least, most: standard deviation in thousandths of the shorter side.
    """

    least: float = 1.0
    most: float = 4.0

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        from scipy.ndimage import gaussian_filter

        sigma = round(rng.uniform(self.least, self.most) * min(picture.size) / 1000, 4)
        pixels = gaussian_filter(picture.pixels.astype(np.float64), sigma=(sigma, sigma, 0), mode="nearest")
        return picture.repainted(pixels), {"sigma_px": sigma}


@dataclass(frozen=True, slots=True)
class Night(PictureTechnique):
    """As by an infrared flash: grey, darker, brightest in the middle, with the noise of a sensor short of light.

    Attributes:
        darkest, brightest: factor of the brightness. noise: greatest standard deviation of it, of 255.
    """

    darkest: float = 0.35
    brightest: float = 0.8
    noise: float = 14.0

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        factor, sigma = round(rng.uniform(self.darkest, self.brightest), 4), round(rng.uniform(4, self.noise), 4)
        falloff = round(rng.uniform(0.1, 0.5), 4)
        width, height = picture.size
        x = (np.arange(width) + 0.5) / width * 2 - 1
        y = (np.arange(height) + 0.5) / height * 2 - 1
        flash = 1 - falloff * (x[None, :] ** 2 + y[:, None] ** 2) / 2
        grey = luma(picture.pixels) * factor * flash[..., None]
        noisy = grey + rng.normal(0, sigma, (height, width, 1))
        return picture.repainted(np.repeat(noisy, 3, axis=2)), {"factor": factor, "falloff": falloff, "noise": sigma}


colour, blur, night = Colour(), Blur(), Night()
