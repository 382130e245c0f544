"""SpecAugment: bands of frequency and stretches of time are hidden, in a log-mel spectrogram or in the sound itself.

Source: Park et al. (2019), "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import InvalidInput
from modalities.sound.augmentation.levels import FRAME_S, active_frames
from modalities.sound.augmentation.techniques import Samples, SoundTechnique, Traced

__all__ = ["SpecMask", "spec_augment"]

_EDGE_S = 0.005
_LOWEST_HZ = 125.0


def spec_augment(
    log_mel: NDArray[np.floating[Any]],
    rng: np.random.Generator,
    *,
    frequency_masks: int = 2,
    frequency_width: int = 8,
    time_masks: int = 2,
    time_width: int = 12,
    most_time: float = 0.2,
) -> NDArray[np.floating[Any]]:
    """Hide bands and stretches of a log-mel spectrogram behind its own mean.

    Args:
        frequency_masks, frequency_width: how many masks, and the widest in bands (F of the paper).
        time_masks, time_width: how many masks, and the widest in frames (T of the paper).
        most_time: no mask in time is wider than this share of all frames (p of the paper).
    Input: log_mel float (..., frames, bands). Every spectrogram of a stack gets masks of its own.
    Returns: a changed copy of the same shape and type.
    Raises: InvalidInput: fewer than two dimensions.
    """
    if log_mel.ndim < 2:
        raise InvalidInput(f"a spectrogram has frames and bands, not {log_mel.ndim} dimension(s)")
    result = np.array(log_mel, order="C")  # so that the reshape below is a view
    frames, bands = result.shape[-2:]
    if not result.size:
        return result
    for each in result.reshape(-1, frames, bands):
        mean = each.mean()
        for _ in range(frequency_masks):
            each[:, _span(rng, bands, min(frequency_width, bands))] = mean
        for _ in range(time_masks):
            each[_span(rng, frames, min(time_width, int(most_time * frames)))] = mean
    return result


@dataclass(frozen=True, slots=True)
class SpecMask(SoundTechnique):
    """SpecAugment on the sound itself, so that every embedder sees it: bands are filtered out, stretches silenced.

    Bands are drawn on the mel scale from 125 Hz up. Stretches are drawn from what sounds: hiding silence would do
    nothing, and hiding a short call whole would leave a wrong label.

    Attributes:
        frequency_masks, frequency_share: how many, and the widest as a share of the mel range.
        time_masks, time_share: how many, and the widest as a share of the active time.
    """

    frequency_masks: int = 2
    frequency_share: float = 0.125
    time_masks: int = 2
    time_share: float = 0.1

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        bands = [self._band(rate, rng) for _ in range(self.frequency_masks)]
        spans = [self._stretch(samples, rate, rng) for _ in range(self.time_masks)]
        masked = _without_bands(np.asarray(samples, np.float64), rate, bands)
        for start, stop in spans:
            masked = _silenced(masked, rate, start, stop)
        told = [[round(start / rate, 4), round(stop / rate, 4)] for start, stop in spans]
        return masked, {"bands_hz": [[round(edge, 1) for edge in band] for band in bands], "stretches_s": told}

    def _band(self, rate: int, rng: np.random.Generator) -> tuple[float, float]:
        lowest, highest = _mel(_LOWEST_HZ), _mel(max(rate / 2, 2 * _LOWEST_HZ))
        width = rng.uniform(0, self.frequency_share) * (highest - lowest)
        start = rng.uniform(lowest, highest - width)
        return _hertz(start), _hertz(start + width)

    def _stretch(self, samples: Samples, rate: int, rng: np.random.Generator) -> tuple[int, int]:
        active = np.flatnonzero(active_frames(samples, rate))
        width = int(rng.uniform(0, self.time_share) * len(active))
        first = int(rng.integers(0, max(1, len(active) - width + 1)))
        if not width:
            return 0, 0
        size = max(1, round(FRAME_S * rate))
        return int(active[first]) * size, min(len(samples), (int(active[first + width - 1]) + 1) * size)


def _span(rng: np.random.Generator, length: int, widest: int) -> slice:
    width = int(rng.integers(0, widest + 1))
    start = int(rng.integers(0, length - width + 1))
    return slice(start, start + width)


def _without_bands(samples: NDArray[np.float64], rate: int, bands: list[tuple[float, float]]) -> NDArray[np.float64]:
    import scipy.fft

    length = scipy.fft.next_fast_len(len(samples), real=True) if len(samples) else 0
    if not length or not bands:
        return samples
    spectrum = scipy.fft.rfft(samples, length)
    hertz = scipy.fft.rfftfreq(length, 1 / rate)
    for low, high in bands:
        spectrum[(hertz >= low) & (hertz < high)] = 0
    return np.asarray(scipy.fft.irfft(spectrum, length)[: len(samples)])


def _silenced(samples: NDArray[np.float64], rate: int, start: int, stop: int) -> NDArray[np.float64]:
    """Zero from start to stop, with edges of 5 ms inside."""
    result = samples.copy()
    edge = min(round(_EDGE_S * rate), (stop - start) // 2)
    fall = 0.5 + 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / max(edge, 1))
    result[start : start + edge] *= fall
    result[start + edge : stop - edge] = 0
    result[stop - edge : stop] *= fall[::-1]
    return result


def _mel(hertz: float) -> float:
    return float(1127 * np.log1p(hertz / 700))


def _hertz(mel: float) -> float:
    return float(700 * np.expm1(mel / 1127))


spec_mask = SpecMask()
