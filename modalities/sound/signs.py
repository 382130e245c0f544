"""The trace of a sound: the signs of its flattened waveform, and how surely two traces are of one recording.

Two recordings of one thing may look alike in any spectrogram; their waveforms agree only if one was made from the
other. Signs forget the gain, and outlive noise and lossy encoding; a flattened spectrum keeps a hum from deciding.

Source: Van Vleck and Middleton (1966), "The spectrum of clipped noise": the correlation of signs follows that of the
waves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modalities.sound.landmarks import HOP
from modalities.sound.runtime import SAMPLE_RATE_HZ

__all__ = ["PARAMETERS", "agreement", "trace"]

_FLATTENING = 0.8
"""0 leaves the spectrum as it is, 1 makes it white. White would give bands with nothing but noise a full say."""
_SMOOTHING_HZ = 60.0
_LOWEST_HZ = 100.0
_QUIETEST_DB = 30
"""Frames this far below the loudest are not compared: digital silence, and noise in place of it."""
_SEARCH_FRAMES = 60
_HOPELESS = 0.2
_SLACK_FRAMES = 3
_LEAST_S = 0.08
_LEAST_SHARE = 0.3
_DOUBT = 8.0
"""Standard deviations by which chance is overestimated: a second of one voice is no second of independent samples."""

PARAMETERS = (_FLATTENING, _SMOOTHING_HZ, _LOWEST_HZ, _QUIETEST_DB, HOP)
"""All that decides the trace of a waveform."""


def trace(waveform: NDArray[np.float32]) -> bytes:
    """For each whole hop of 128 samples (8 ms) its level, one byte, then for each its signs, 16 bytes.

    Units: levels in dB above the quietest that is compared; 0 is not compared.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    count = len(waveform) // HOP
    length = next_fast_len(len(waveform), real=True)
    spectrum = rfft(waveform, length)
    power = np.abs(spectrum) ** 2
    hertz = SAMPLE_RATE_HZ / length
    smooth = _mean_around(power, max(3, round(_SMOOTHING_HZ / hertz)))
    gain = (smooth + 1e-9 * smooth.max(initial=1e-30)) ** np.float32(-_FLATTENING / 2)
    gain[: int(_LOWEST_HZ / hertz)] = 0
    flat = irfft(spectrum * gain, length)[: count * HOP].reshape(count, HOP)
    energy = np.square(flat).mean(axis=1)
    decibels = 10 * np.log10(np.maximum(energy, 1e-30) / max(float(energy.max(initial=0.0)), 1e-30))
    levels = np.clip(np.ceil(decibels + _QUIETEST_DB), 0, 255).astype(np.uint8)
    return bytes(levels.tobytes() + np.packbits(flat > 0).tobytes())


def agreement(one: bytes, other: bytes, shift: int) -> float:
    """How surely the two are one recording: the correlation of their signs, less what chance could give.

    Args:
        shift: hops by which the first is late against the second; looked for within 24 ms.
    Returns: 0 to 1; 0 too where less than 80 ms, or 30% of either, can be compared.
    """
    first, second = _Trace.read(one), _Trace.read(other)
    begin, end = max(0, shift), min(len(first.weights), len(second.weights) + shift)
    if begin >= end:
        return 0.0
    late = _finest_shift(first, second, begin, end, shift)
    if late is None:
        return 0.0
    return _certain(first, second, late)


@dataclass(frozen=True, slots=True)
class _Trace:
    """weights: float32 (frames,), amplitude against the loudest; signs: bool (frames * HOP,)."""

    weights: NDArray[np.float32]
    signs: NDArray[np.bool_]

    @classmethod
    def read(cls, data: bytes) -> _Trace:
        count = len(data) // (1 + HOP // 8)
        both = np.frombuffer(data, np.uint8)
        signs = np.unpackbits(both[count:]).view(np.bool_)
        return cls(_WEIGHTS[both[:count]], signs)


_WEIGHTS = np.where(
    np.arange(256) > 0, 10 ** ((np.minimum(np.arange(256), _QUIETEST_DB) - _QUIETEST_DB) / 20), 0
).astype(np.float32)


def _finest_shift(first: _Trace, second: _Trace, begin: int, end: int, shift: int) -> int | None:
    """Samples by which the first is late: where half a second of both, the loudest, agrees best; None: nowhere."""
    from scipy.fft import irfft, next_fast_len, rfft

    joint = np.minimum(first.weights[begin:end], second.weights[begin - shift : end - shift])
    width = min(_SEARCH_FRAMES, len(joint))
    sums = np.cumsum(np.concatenate([[0.0], joint]))
    start = begin + int(np.argmax(sums[width:] - sums[:-width]))
    length = next_fast_len((width + 2 * _SLACK_FRAMES) * HOP, real=True)
    both = np.zeros((2, length), np.float32)
    _weigh(first, start - _SLACK_FRAMES, start + width + _SLACK_FRAMES, both[0])
    _weigh(second, start - shift, start - shift + width, both[1])
    outer, inner = rfft(both, axis=1)
    match = np.abs(irfft(outer * np.conj(inner), length)[: 2 * _SLACK_FRAMES * HOP + 1])
    best = int(match.argmax())
    # Where the loudest half second does not agree, the rest is not looked at: most candidates end here.
    if match[best] <= _HOPELESS * float(np.linalg.norm(both[0]) * np.linalg.norm(both[1])):
        return None
    return (shift - _SLACK_FRAMES) * HOP + best


def _weigh(sound: _Trace, begin: int, end: int, out: NDArray[np.float32]) -> None:
    """Write signs as -1 and 1, times the weight of their frame, of some frames; nothing outside the sound."""
    inside = slice(max(0, begin), min(end, len(sound.weights)))
    mine = out[(inside.start - begin) * HOP : (inside.stop - begin) * HOP].reshape(-1, HOP)
    weights = sound.weights[inside, None]
    np.multiply(sound.signs.reshape(-1, HOP)[inside], 2 * weights, out=mine)
    mine -= weights


def _certain(first: _Trace, second: _Trace, late: int) -> float:
    begin, end = max(0, late), min(len(first.signs), len(second.signs) + late)
    begin += -begin % HOP
    frames = (end - begin) // HOP
    if frames <= 0:
        return 0.0
    end = begin + frames * HOP
    same = first.signs[begin:end] == second.signs[begin - late : end - late]
    agree = 2 * same.reshape(frames, HOP).mean(axis=1, dtype=np.float32) - 1
    nearest = (np.arange(frames) * HOP + begin - late + HOP // 2) // HOP
    ours = first.weights[begin // HOP : begin // HOP + frames]
    theirs = second.weights[np.minimum(nearest, len(second.weights) - 1)]
    weights = np.minimum(ours, theirs)
    total, squares = float(weights.sum()), float(np.square(weights).sum())
    # A copy without the loudest tenth is all in the original, though it is little of it.
    shared = max(
        float(ours[theirs > 0].sum()) / max(1e-9, float(first.weights.sum())),
        float(theirs[ours > 0].sum()) / max(1e-9, float(second.weights.sum())),
    )
    evidence_s = total**2 / max(1e-9, squares) * HOP / SAMPLE_RATE_HZ
    if evidence_s < _LEAST_S or shared < _LEAST_SHARE:
        return 0.0
    correlation = abs(float(agree @ weights)) / total
    return max(0.0, correlation - _DOUBT / float(np.sqrt(evidence_s * SAMPLE_RATE_HZ)))


def _mean_around(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(values, 2 * reach + 1, mode="nearest"), np.float32)
