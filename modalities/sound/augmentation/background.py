"""Mixing in the background of the user's own stations, at a signal-to-noise ratio that is really reached."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from ecosight.errors import InvalidInput
from modalities.sound.augmentation.levels import active_power, decibels
from modalities.sound.augmentation.reading import read_mono
from modalities.sound.augmentation.techniques import Samples, SoundTechnique, Traced

__all__ = ["Background", "mix_at_snr"]

_KEPT = 32
"""Decoded backgrounds that stay in memory."""


def mix_at_snr(samples: Samples, background: NDArray[np.floating], rate: int, snr_db: float) -> NDArray[np.float64]:
    """The recording with a background below it.

    Args:
        snr_db: ratio of the recording's power to the background's, each over its active frames. Silence around
            a call does not count, so a call keeps its distance from the noise however long its file is.
    Input: both mono, of one length and rate.
    Returns: float64, same length; not limited to full scale.
    """
    signal, noise = active_power(samples, rate), active_power(background, rate)
    if signal == 0 or noise == 0:
        return np.array(samples, np.float64)
    gain = np.sqrt(signal / noise * 10 ** (-snr_db / 10))
    return np.asarray(np.asarray(samples, np.float64) + gain * np.asarray(background, np.float64))


class Background(SoundTechnique):
    """A random stretch of a random background recording, at a uniform signal-to-noise ratio.

    Thread-safe; may be sent to another process, where files are decoded again when they are needed.

    Args:
        recordings: the bytes of sound files without the sounds that are to be told apart; their order means nothing.
        lowest_snr_db, highest_snr_db: see ``mix_at_snr``.
    Raises: InvalidInput: there are none, or the bounds are the wrong way round. When it is used, InputError: a file
        cannot be read or is silent.
    """

    def __init__(
        self,
        recordings: Sequence[bytes],
        *,
        lowest_snr_db: float = 5.0,
        highest_snr_db: float = 20.0,
        limits: SoundSection | None = None,
    ) -> None:
        if not recordings:
            raise InvalidInput("no background recordings were given", hint="Name a folder with some.")
        if not -60 <= lowest_snr_db <= highest_snr_db <= 100:
            raise InvalidInput(
                f"an SNR from {lowest_snr_db:g} to {highest_snr_db:g} dB is no range", hint="Such as 5 to 20."
            )
        self.digests, self._recordings = _sorted(recordings)
        self.lowest_snr_db, self.highest_snr_db = lowest_snr_db, highest_snr_db
        self._limits = limits or SoundSection()
        self._decoded = lru_cache(_KEPT)(self._decode)

    def __repr__(self) -> str:
        pool = hashlib.sha256(" ".join(self.digests).encode()).hexdigest()
        return f"Background({pool}, {self.lowest_snr_db!r}, {self.highest_snr_db!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self._recordings, self.lowest_snr_db, self.highest_snr_db, self._limits)

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        snr_db = round(rng.uniform(self.lowest_snr_db, self.highest_snr_db), 4)
        which, place = int(rng.integers(len(self.digests))), rng.uniform()
        noise, start = _stretch(self._decoded(which, rate), len(samples), place)
        told = {"snr_db": snr_db, "background": self.digests[which], "start_s": round(start / rate, 6)}
        return mix_at_snr(samples, noise, rate, snr_db), told

    def _decode(self, which: int, rate: int) -> NDArray[np.float64]:
        import soxr

        samples, own_rate = read_mono(self._recordings[which], self._limits)
        if decibels(active_power(samples, own_rate)) < self._limits.silence_dbfs:
            raise InvalidInput(
                f"the background recording {self.digests[which][:12]} is silent", hint="Take it out of the folder."
            )
        decoded = samples.astype(np.float64)
        return decoded if own_rate == rate else np.asarray(soxr.resample(decoded, own_rate, rate, quality="HQ"))


def _sorted(recordings: Sequence[bytes]) -> tuple[list[str], list[bytes]]:
    """Distinct recordings by their digest: the same files give the same variants in any order."""
    by_digest = {hashlib.sha256(data).hexdigest(): data for data in recordings}
    digests = sorted(by_digest)
    return digests, [by_digest[digest] for digest in digests]


def _rebuilt(recordings: list[bytes], lowest: float, highest: float, limits: SoundSection) -> Background:
    return Background(recordings, lowest_snr_db=lowest, highest_snr_db=highest, limits=limits)


def _stretch(background: NDArray[np.float64], length: int, place: float) -> tuple[NDArray[np.float64], int]:
    """``length`` samples of the background, from a place in it (0 to 1); a short one is repeated."""
    spare = len(background) - length
    start = int(place * (spare + 1 if spare >= 0 else len(background)))
    if spare >= 0:
        return background[start : start + length], start
    return np.resize(np.roll(background, -start), length), start
