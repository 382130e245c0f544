"""YAMNet's front end: which log-mel spectrogram a waveform has, computed the plain way as the reference.

Source: the YAMNet model of tensorflow/models (research/audioset/yamnet, ``features.py`` and ``params.py``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modalities.sound.runtime import HOP, PATCH_FRAMES, PATCH_HOP, PATCH_SAMPLES, SAMPLE_RATE_HZ, WINDOW, patch_count

__all__ = ["FFT", "LOG_OFFSET", "MELS", "hann_window", "log_mel", "mel_matrix", "padded", "patches"]

FFT = 512
MELS = 64
LOG_OFFSET = 0.001
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0


def hann_window() -> NDArray[np.float64]:
    """The periodic Hann window, float64 (400,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


def mel_matrix() -> NDArray[np.float64]:
    """Weights from magnitudes to mel bands, float64 (257, 64).

    Triangles between points that lie evenly on the HTK mel scale, 1127 ln(1 + f / 700); not normalised.
    Source: ``tf.signal.linear_to_mel_weight_matrix``.
    """

    def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))

    bins = mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), MELS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return np.asarray(weights)


def padded(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """The waveform with zeros at the end, up to one window and then to whole hops."""
    length = PATCH_SAMPLES + PATCH_HOP * (patch_count(len(waveform)) - 1)
    return np.pad(waveform, (0, length - len(waveform)))


def log_mel(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-mel spectrogram of a padded waveform, float64 (frames, 64).

    Units: natural logarithm of (magnitude + 0.001).
    """
    frames = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), WINDOW)[::HOP]
    magnitude = np.abs(np.fft.rfft(frames * hann_window(), FFT))
    return np.asarray(np.log(magnitude @ mel_matrix() + LOG_OFFSET))


def patches(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the embedder sees of a waveform of any length, float64 (n, 96, 64)."""
    spectrogram = log_mel(padded(waveform))
    starts = range(0, len(spectrogram) - PATCH_FRAMES + 1, PATCH_HOP // HOP)
    return np.stack([spectrogram[start : start + PATCH_FRAMES] for start in starts])
