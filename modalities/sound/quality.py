"""How good a recording is, whatever sounds in it: clipped, silent, quiet, hardly above its background, cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from ecosight.errors import UnreadableMedia
from modalities.sound.augmentation.levels import active_power, decibels
from modalities.sound.augmentation.reading import read_mono
from modalities.sound.decoding import DECODER_VERSION

__all__ = ["SoundQuality"]

_VERSION = 1
"""Raise it when the same samples may give other figures."""
_FRAME_S = 0.02
_SILENT_DBFS = -60.0
_FLOOR_DBFS = -120.0
"""Digital silence; a level of minus infinity could be neither stored nor averaged."""
_TOP = 0.999
_FLAT = 2.0**-15
"""Neighbours on a flat top differ by less than one step of 16 bits."""
_RUN = 3
_LEAST_PEAK = 0.1
"""Below it, the steps of an 8-bit file look like flat tops."""


class SoundQuality:
    """Figures of a sound file at its own rate, channels mixed. Implements ``ecosight.ports.QualityMeter``.

    ``clipped_share``: samples on flat tops, three or more in a row within 0.1% of the file's own peak, so a clipped
    recording is known after it was made softer, too. A lossy codec rounds flat tops, so fewer are found there.
    ``silent_share``: frames of 20 ms below -60 dBFS. ``level_dbfs``: mean power where something sounds (within 30 dB
    of the loudest frame). ``snr_db``: 95th less 10th percentile of the levels of the frames that are not silent:
    a rough measure, low for steady sounds such as rain as well as for noise. ``edge_db``: the louder of the first
    and the last frame against ``level_dbfs``; near 0 it begins or ends in the middle of something.
    """

    name = "sound-quality"
    units: Mapping[str, str] = {
        "clipped_share": "share of samples on flat tops",
        "silent_share": "share of frames below -60 dBFS",
        "level_dbfs": "level where something sounds, dBFS",
        "snr_db": "loud over quiet frames, dB",
        "edge_db": "first or last frame over the level, dB",
    }
    rules: Mapping[str, str] = {
        "clipped": "more than 0.1% of the samples are on flat tops",
        "mostly silent": "more than 80% of the frames are below -60 dBFS",
        "quiet": "the level where something sounds is below -45 dBFS",
        "low snr": "loud frames are less than 6 dB over quiet ones (steady sounds, too)",
        "cut off": "it begins or ends at full level (above -3 dB) although it stands 20 dB over its background",
    }

    def __init__(self, limits: SoundSection) -> None:
        self._limits = limits

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides the figures."""
        parameters = [self.name, _VERSION, DECODER_VERSION, _FRAME_S, _SILENT_DBFS, _TOP, _FLAT, _RUN, _LEAST_PEAK]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()

    def quality(self, data: bytes) -> Mapping[str, float]:
        """The figures of a sound file. Raises: InputError: it cannot be read."""
        samples, rate = read_mono(data, self._limits)
        if not len(samples):
            raise UnreadableMedia("the recording has no samples", hint="Look whether the recorder could write.")
        levels = _frame_levels(samples, rate)
        level = max(decibels(active_power(samples, rate)), _FLOOR_DBFS)
        sounding = levels[levels >= _SILENT_DBFS]
        loud, quiet = np.percentile(sounding, [95, 10]) if len(sounding) else (0.0, 0.0)
        figures = {
            "clipped_share": _clipped_share(samples),
            "silent_share": float(np.mean(levels < _SILENT_DBFS)),
            "level_dbfs": level,
            "snr_db": float(loud - quiet),
            "edge_db": float(max(levels[0], levels[-1])) - level,
        }
        return {name: round(value, 6) for name, value in figures.items()}

    def flags(self, figures: Mapping[str, float]) -> tuple[str, ...]:
        """See ``rules``."""
        found = {
            "clipped": figures["clipped_share"] > 0.001,
            "mostly silent": figures["silent_share"] > 0.8,
            "quiet": figures["level_dbfs"] < -45,
            "low snr": figures["snr_db"] < 6,
            "cut off": figures["edge_db"] > -3 and figures["snr_db"] >= 20,
        }
        return tuple(name for name in self.rules if found[name])


def _frame_levels(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """The level of each frame of 20 ms in dBFS, float64 (frames,); a short rest belongs to the last one."""
    size = max(1, round(_FRAME_S * rate))
    starts = np.arange(max(1, len(samples) // size)) * size
    sums = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    powers = sums / np.diff(np.append(starts, len(samples)))
    return np.asarray(10 * np.log10(np.maximum(powers, 10 ** (_FLOOR_DBFS / 10))))


def _clipped_share(samples: NDArray[np.float32]) -> float:
    """The share of samples in runs of three or more that lie flat at the peak."""
    size = np.abs(samples)
    peak = float(size.max())
    if peak < _LEAST_PEAK or len(samples) < _RUN:
        return 0.0
    near = size >= _TOP * peak
    # Both neighbours at the peak, and flat: the difference also tells an upper from a lower top.
    joined = near[1:] & near[:-1] & (np.abs(np.diff(samples)) <= _FLAT)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], joined, [False])).astype(np.int8)))
    lengths = edges[1::2] - edges[::2] + 1
    return float(lengths[lengths >= _RUN].sum() / len(samples))
