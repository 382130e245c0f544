"""From the bytes of a sound file to mono float32 at 16 kHz, within limits, or to an error that says what is wrong."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from ecosight.errors import MediaTooLarge, UnreadableMedia, UnsupportedMedia
from modalities.sound.runtime import SAMPLE_RATE_HZ

__all__ = ["DECODER_VERSION", "Sound", "decode"]

DECODER_VERSION = 1
"""Part of every embedder's digest: raise it when the same bytes may give other samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A decoded clip.

    Attributes:
        waveform: mono float32 (samples,) at 16 kHz.
        media_type: IANA type of the file.
        duration_s, sample_rate_hz, channels: of the file.
        peak: largest absolute sample of the mono mix.
    """

    waveform: NDArray[np.float32]
    media_type: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    peak: float


def decode(data: bytes, limits: SoundSection) -> Sound:
    """Decode a wav, mp3, ogg or flac file whole.

    Raises: MediaTooLarge, UnsupportedMedia, UnreadableMedia.
    """
    import soundfile
    import soxr

    if len(data) > limits.max_bytes:
        raise MediaTooLarge(f"the file has {len(data)} bytes, more than {limits.max_bytes}")
    if not data:
        raise UnreadableMedia("the file is empty")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels, kind = file.samplerate, file.channels, file.format
            if file.frames > limits.max_seconds * rate:
                raise UnreadableMedia("too long")
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UnsupportedMedia(f"not a sound file: {error}") from error
    if len(samples) < limits.min_seconds * rate:
        raise UnreadableMedia("too short")
    mono = samples.mean(axis=1, dtype=np.float32)
    peak = float(np.abs(mono).max())
    if not np.isfinite(peak) or peak < 10 ** (limits.silence_dbfs / 20):
        raise UnreadableMedia("silent")
    waveform = mono if rate == SAMPLE_RATE_HZ else soxr.resample(mono, rate, SAMPLE_RATE_HZ, quality="HQ")
    return Sound(
        waveform=waveform,
        media_type=f"audio/{kind.lower()}",
        duration_s=len(samples) / rate,
        sample_rate_hz=rate,
        channels=channels,
        peak=peak,
    )
