"""Sound files made on the spot."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray


def encode(samples: NDArray[np.floating], rate: int, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def tone(seconds: float, rate: int, *, hertz: float = 440.0, channels: int = 1) -> NDArray[np.float32]:
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * t) + np.random.default_rng(1).normal(0, 0.02, len(t))
    return np.asarray(np.repeat(wave[:, None], channels, axis=1) if channels > 1 else wave, np.float32)
