"""Recordings as something that can be varied: read, given to a technique, kept within bounds, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.config import Config
from ecosight.errors import InvalidInput
from modalities.sound.augmentation.background import Background
from modalities.sound.augmentation.levels import bounded
from modalities.sound.augmentation.reading import note_in, read_mono, write_wav

__all__ = ["Clip", "SoundMedium"]

_TOLD = 0.00005
"""A factor this near to 1 would be told as 1.0; a drawn factor is no more exact than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recording: mono float32 (n,), and its rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


class SoundMedium:
    """What the augmentation of datasets needs of sound. Implements ``dataset.augmenting.medium.Medium``.

    Recordings keep their sample rate; several channels become one. Thread-safe; may be sent to another process.
    """

    name = "sound"
    family = "ecosight.augmentations"
    suffix = ".wav"
    defaults = (
        "pitch_up/pitch_down",
        "time_stretch_fast/time_stretch_slow",
        "noise_light/noise_medium",
        "volume_up/volume_down",
        "combined",
        "time_shift",
    )
    identity = "sound 1: mono, own rate, 16-bit wav"
    """Changes whenever the same bytes and techniques could give other variants."""
    takes_marks = False

    def __init__(self, config: Config) -> None:
        self._limits = config.sound
        self.max_bytes = config.sound.max_bytes

    def read(self, data: bytes, marks: Any = None) -> Clip:
        """Decode a recording. Raises: InputError: it cannot be read. InvalidInput: it comes with marks."""
        if marks:
            raise InvalidInput("a recording has no boxes", hint="Only pictures carry marks.")
        samples, rate = read_mono(data, self._limits)
        return Clip(samples=samples, rate=rate)

    def apply(self, technique: Any, clip: Clip, rng: np.random.Generator) -> tuple[Clip, Mapping[str, Any]]:
        """The clip as a technique varies it: nothing clips, loudness within 6 dB, length within the limits.

        Returns: the clip, and what the technique drew where it tells. ``scaled_by`` is there where the whole was made
            louder or quieter afterwards, to be within bounds: the technique's own factors are on top of it.
        Raises: InvalidInput: the technique gave something else than finite mono samples.
        """
        if hasattr(technique, "traced"):
            made, told = technique.traced(clip.samples, clip.rate, rng)
        else:
            made, told = technique(clip.samples, clip.rate, rng), {}
        samples = np.asarray(made)
        if samples.ndim != 1 or samples.dtype.kind != "f" or not np.isfinite(samples).all():
            raise InvalidInput(
                f"the technique {technique!r} gave {samples.dtype} of shape {samples.shape}, "
                "where finite mono samples were expected",
                hint="A technique is a callable (samples, rate, rng) -> samples.",
            )
        least, most = (round(each * clip.rate) for each in (self._limits.min_seconds, self._limits.max_seconds))
        fitted = np.pad(samples[:most], (0, max(0, min(least + 1, most) - len(samples))))
        within, gain = bounded(fitted, clip.samples, clip.rate)
        told = dict(told) if abs(gain - 1) < _TOLD else {**told, "scaled_by": round(gain, 4)}
        return Clip(samples=within, rate=clip.rate), told

    def write(self, clip: Clip, note: str) -> bytes:
        """The clip as a WAV file, with a note in it."""
        return write_wav(clip.samples, clip.rate, note)

    def marks(self, clip: Clip) -> Any:
        """Nothing: recordings carry no boxes."""
        return None

    def note_in(self, data: bytes) -> str | None:
        """The note of a file that ``write`` made; None for any other file."""
        return note_in(data)

    def background(self, recordings: Sequence[bytes], snr_db: tuple[float, float]) -> Background:
        """A technique that mixes in these recordings; see ``Background``."""
        return Background(recordings, lowest_snr_db=snr_db[0], highest_snr_db=snr_db[1], limits=self._limits)
