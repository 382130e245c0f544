"""How loud a recording is where something sounds in it, and keeping a changed one within bounds.

Short sounds are often stored with silence around them. Power over the whole file would then say more about the
silence than about the sound, so levels here are taken over the active frames only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL_SCALE", "active_frames", "active_power", "bounded", "decibels"]

Samples = NDArray[np.floating]

FULL_SCALE = 1.0
FRAME_S = 0.02
ACTIVE_DB = 30.0
"""A frame is active if its power is at most so far below that of the loudest frame."""
MOST_CHANGE_DB = 6.0


def active_frames(samples: Samples, rate: int) -> NDArray[np.bool_]:
    """Which frames of 20 ms sound; bool (frames,), the last one may be short. All False: silence.

    Units: rate in Hz.
    """
    powers = _frame_powers(samples, rate)
    loudest = float(powers.max(initial=0.0))
    return np.asarray((powers >= loudest * 10 ** (-ACTIVE_DB / 10)) & (powers > 0))


def active_power(samples: Samples, rate: int) -> float:
    """Mean power over the active frames; 0 for silence. Units: full scale squared."""
    powers, active = _frame_powers(samples, rate), active_frames(samples, rate)
    return float(powers[active].mean()) if active.any() else 0.0


def decibels(ratio: float) -> float:
    """A ratio of powers in dB; -inf for 0."""
    return float(10 * np.log10(ratio)) if ratio > 0 else -np.inf


def bounded(samples: Samples, original: Samples, rate: int) -> tuple[NDArray[np.float32], float]:
    """The samples, scaled as a whole so that nothing clips and the loudness stays near that of the original.

    Returns: float32, no sample beyond full scale, active power within 6 dB of the original's (further below only
        where full scale forbids it); and the factor that they were scaled by, 1 where they were within bounds.
    """
    before, after = active_power(original, rate), active_power(samples, rate)
    gain = 1.0
    if before > 0 and after > 0:
        change = decibels(after / before)
        gain = 10 ** ((min(max(change, -MOST_CHANGE_DB), MOST_CHANGE_DB) - change) / 20)
    peak = gain * float(np.abs(samples).max(initial=0.0))
    if peak > FULL_SCALE:
        gain *= FULL_SCALE / peak
    scaled = samples if gain == 1.0 else samples * gain
    # The division above may leave the loudest sample a rounding error beyond.
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE), np.float32), gain


def _frame_powers(samples: Samples, rate: int) -> NDArray[np.float64]:
    size = max(1, round(FRAME_S * rate))
    starts = np.arange(0, len(samples), size)
    if not len(starts):
        return np.zeros(0)
    sums = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    return np.asarray(sums / np.diff(np.append(starts, len(samples))))
