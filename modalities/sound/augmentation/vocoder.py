"""Faster or slower at the same pitch, higher or lower at the same length: a phase vocoder with locked phases.

Everything is computed in float64, so that rounding differences between processors vanish when samples become integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import InvalidInput

__all__ = ["pitch_shift", "time_stretch"]

Array = NDArray[np.float64]

_OVERLAP = 4
_WINDOW_S = 0.05
_SPEEDS = (0.5, 2.0)
_ATTACK = 8.0
"""A frame with so many times the energy of the one before is an attack, and begins with its own phases."""


def time_stretch(samples: NDArray[np.floating], rate: int, speed: float) -> Array:
    """Play a recording at another speed without changing its pitch.

    Each output frame has the magnitudes of the input there. Its phases go on from the output frame before by what
    the input's phases do over exactly one hop; all bins around a spectral peak turn by the same angle, so a partial
    stays one partial. Attacks keep their own phases and stay sharp.

    Args:
        speed: above 1 is faster; 0.5 to 2.
    Input: mono (n,). Returns: float64 (round(n / speed),).
    Raises: InvalidInput: the speed is out of bounds.
    Source: Laroche and Dolson (1999), "Improved phase vocoder time-scale modification of audio" (identity phase
        locking); Röbel (2003), "A new approach to transient processing in the phase vocoder".
    """
    if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        raise InvalidInput(f"a speed of {speed:g} is not between 0.5 and 2", hint="1.1 is a tenth faster.")
    signal = np.asarray(samples, np.float64)
    wanted = round(len(signal) / speed)
    if speed == 1.0 or not signal.any():
        return signal.copy() if speed == 1.0 else np.zeros(wanted)
    size = _window_size(rate)
    hop, window = size // _OVERLAP, _hann(size)
    count = -(-(wanted + size // 2) // hop) + 1
    centres = np.rint(np.arange(count) * hop * speed).astype(np.int64)
    padded = np.pad(signal, (size, max(0, int(centres[-1]) + size - len(signal))))
    starts = centres + size // 2
    spectra, earlier = (_spectra(padded, starts - back, window) for back in (0, hop))
    frames = _frames_of(_locked(spectra, earlier), window)
    return _overlap_add(frames, window, hop)[size // 2 : size // 2 + wanted]


def pitch_shift(samples: NDArray[np.floating], rate: int, semitones: float) -> Array:
    """Shift a recording's pitch without changing its length. Input: mono (n,). Returns: float64 (n,)."""
    import soxr

    factor = 2 ** (semitones / 12)
    stretched = time_stretch(samples, rate, 1 / factor)
    shifted = np.asarray(soxr.resample(stretched, rate * factor, rate, quality="VHQ"), np.float64)[: len(samples)]
    return np.pad(shifted, (0, len(samples) - len(shifted)))


def _locked(spectra: NDArray[np.complex128], earlier: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Output spectra: those of the input, each region around a peak turned as the peak's phase demands."""
    result = np.empty_like(spectra)
    magnitudes = np.abs(spectra)
    energies, before = (np.square(np.abs(each)).sum(axis=1) for each in (spectra, earlier))
    attacks = energies > _ATTACK * before
    bins = np.arange(spectra.shape[1])
    result[0] = spectra[0]
    for k in range(1, len(spectra)):
        peaks = _peaks(magnitudes[k])
        if attacks[k] or not len(peaks):
            result[k] = spectra[k]
            continue
        turn = result[k - 1, peaks] * earlier[k, peaks].conj()
        size = np.abs(turn)
        turn = np.where(size > 0, turn / np.where(size > 0, size, 1), 1)
        regions = np.searchsorted((peaks[1:] + peaks[:-1]) / 2, bins)
        result[k] = spectra[k] * turn[regions]
    return result


def _peaks(magnitude: Array) -> NDArray[np.int64]:
    """Bins that are larger than the two on either side."""
    inner = magnitude[2:-2]
    higher = (inner > magnitude[1:-3]) & (inner > magnitude[:-4])
    higher &= (inner >= magnitude[3:-1]) & (inner >= magnitude[4:])
    return np.flatnonzero(higher) + 2


def _spectra(signal: Array, starts: NDArray[np.int64], window: Array) -> NDArray[np.complex128]:
    import scipy.fft

    frames = np.lib.stride_tricks.sliding_window_view(signal, len(window))[starts]
    return np.asarray(scipy.fft.rfft(frames * window, axis=1))


def _frames_of(spectra: NDArray[np.complex128], window: Array) -> Array:
    import scipy.fft

    return np.asarray(scipy.fft.irfft(spectra, len(window), axis=1) * window)


def _overlap_add(frames: Array, window: Array, hop: int) -> Array:
    """Frames one hop apart, added, and divided by the sum of the squared windows there."""
    count = len(frames)
    total = np.zeros((count + _OVERLAP - 1) * hop)
    weight: Any = np.zeros_like(total)
    parts, squares = frames.reshape(count, _OVERLAP, hop), np.square(window).reshape(_OVERLAP, hop)
    for part in range(_OVERLAP):
        span = slice(part * hop, (part + count) * hop)
        total[span] += parts[:, part].reshape(-1)
        weight[span] += np.tile(squares[part], count)
    return np.asarray(total / np.maximum(weight, 1e-3))


def _window_size(rate: int) -> int:
    """The power of two next to 50 ms: 2,048 at 44.1 kHz, 1,024 at 16 kHz."""
    return max(64, int(2 ** round(np.log2(_WINDOW_S * rate))))


def _hann(size: int) -> Array:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size))
