"""The simple ways to vary a recording: pitch, tempo, noise, position, volume, and several of them together.

A technique is a callable ``(samples, rate, rng) -> samples``: mono float in, mono float out, everything random
drawn from ``rng``. One that also has ``traced`` tells what it drew. What comes out may be longer, shorter or too loud;
``SoundMedium.apply`` keeps it within bounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modalities.sound.augmentation.levels import FULL_SCALE, active_power
from modalities.sound.augmentation.vocoder import pitch_shift, time_stretch

__all__ = ["Combined", "Noise", "Pitch", "SoundTechnique", "Stretch", "TimeShift", "Volume"]

Samples = NDArray[np.floating[Any]]
Traced = tuple[Samples, Mapping[str, Any]]

_SEAM_S = 0.005


class SoundTechnique(ABC):
    """A technique that tells what it drew. Stateless; its ``repr`` holds all that decides what it does."""

    @abstractmethod
    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        """The varied samples, and the parameters that were drawn (JSON-serialisable)."""

    def __call__(self, samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
        return self.traced(samples, rate, rng)[0]


@dataclass(frozen=True, slots=True)
class Pitch(SoundTechnique):
    """Higher or lower by a uniform number of semitones, at the same length."""

    lowest: float
    highest: float

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        semitones = round(rng.uniform(self.lowest, self.highest), 4)
        return pitch_shift(samples, rate, semitones), {"semitones": semitones}


@dataclass(frozen=True, slots=True)
class Stretch(SoundTechnique):
    """Played at a uniform speed (1 is unchanged), at the same pitch; the length changes."""

    slowest: float
    fastest: float

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        speed = round(rng.uniform(self.slowest, self.fastest), 4)
        return time_stretch(samples, rate, speed), {"speed": speed}


@dataclass(frozen=True, slots=True)
class Noise(SoundTechnique):
    """Random noise between white and pink, at a uniform signal-to-noise ratio over what sounds.

    Units: dB; the ratio of the recording's active power to the noise's power.
    """

    lowest_snr_db: float
    highest_snr_db: float

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        snr_db = round(rng.uniform(self.lowest_snr_db, self.highest_snr_db), 4)
        slope = round(rng.uniform(0, 1), 4)
        noise = _coloured(rng.standard_normal(len(samples)), slope)
        power = active_power(samples, rate) * 10 ** (-snr_db / 10)
        return samples + noise * np.sqrt(power), {"snr_db": snr_db, "slope": slope}


@dataclass(frozen=True, slots=True)
class TimeShift(SoundTechnique):
    """Moved in time by up to a share of its length; what leaves at one end comes in at the other."""

    most: float = 0.5

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        share = round(rng.uniform(-self.most, self.most), 4)
        shift = round(share * len(samples))
        return np.roll(_faded(samples, rate), shift), {"shift_s": round(shift / rate, 6)}


@dataclass(frozen=True, slots=True)
class Volume(SoundTechnique):
    """Louder or quieter by a uniform factor of the amplitude; louder only as far as the loudest sample lets it.

    A recording that fills the scale cannot become louder: where not even the lowest factor fits, it becomes quieter by
    as much instead, so that the variant is no copy.
    """

    lowest: float
    highest: float
    version: ClassVar[int] = 2

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        drawn, most = rng.uniform(), FULL_SCALE / max(float(np.abs(samples).max(initial=0.0)), 1e-12)
        lowest, highest = self.lowest, self.highest
        if lowest > max(most, 1):
            lowest, highest = 2 - highest, 2 - lowest
        if lowest > most:  # floats may lie far beyond the scale: brought within it first
            lowest, highest = lowest * most, highest * most
        highest = min(highest, most)
        factor = round(lowest + drawn * (highest - lowest), 4)
        return samples * factor, {"factor": factor}


@dataclass(frozen=True, slots=True)
class Combined(SoundTechnique):
    """Two or three techniques, drawn from named ones and applied in their order."""

    choices: tuple[tuple[str, SoundTechnique], ...]
    version: ClassVar[int] = 2
    """2: as ``Volume`` among the choices."""

    def traced(self, samples: Samples, rate: int, rng: np.random.Generator) -> Traced:
        count = int(rng.integers(2, 4))
        chosen = sorted(rng.choice(len(self.choices), size=min(count, len(self.choices)), replace=False))
        steps = []
        for name, technique in (self.choices[index] for index in chosen):
            samples, drawn = technique.traced(samples, rate, rng)
            steps.append({"technique": name, **drawn})
        return samples, {"steps": steps}


def _coloured(white: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    """Noise of unit power whose power falls with frequency as 1 / f ** slope."""
    import scipy.fft

    length = len(white)
    if length < 2:
        return white
    size = scipy.fft.next_fast_len(length, real=True)
    spectrum = scipy.fft.rfft(white, size)
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-slope / 2)
    spectrum[0] = 0
    noise = scipy.fft.irfft(spectrum, size)[:length]
    return np.asarray(noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12))


def _faded(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Silent at both ends within 5 ms, so that joining them does not click."""
    width = min(round(_SEAM_S * rate), len(samples) // 2)
    faded = np.array(samples, np.float64)
    if width:
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
        faded[:width] *= ramp
        faded[-width:] *= ramp[::-1]
    return faded


pitch_up, pitch_down = Pitch(0.5, 2.0), Pitch(-2.0, -0.5)
time_stretch_fast, time_stretch_slow = Stretch(1.02, 1.1), Stretch(0.9, 0.98)
noise_light, noise_medium = Noise(20.0, 30.0), Noise(10.0, 20.0)
time_shift = TimeShift()
volume_up, volume_down = Volume(1.05, 1.2), Volume(0.8, 0.95)
combined = Combined(
    (
        ("pitch", Pitch(-2.0, 2.0)),
        ("time_stretch", Stretch(0.9, 1.1)),
        ("time_shift", TimeShift()),
        ("noise", Noise(10.0, 30.0)),
        ("volume", Volume(0.8, 1.2)),
    )
)
