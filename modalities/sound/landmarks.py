"""The words of a sound: triples of spectral peaks, which survive noise, gain, trimming and lossy encoding.

A word depends on the distances between three peaks and on their frequencies, so it does not move with the clip's
beginning; what two clips share, they share with one and the same shift.

Source: Wang (2003), "An Industrial-Strength Audio Search Algorithm", with triples instead of pairs: three frequencies
and two distances are rare enough that 100,000 sounds do not collide. Broder (1997), "On the resemblance and
containment of documents": both clips keep the words whose hashes are lowest, so they keep the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modalities.sound.runtime import SAMPLE_RATE_HZ

__all__ = ["HOP", "PARAMETERS", "find_words"]

WINDOW = 1024
HOP = 128
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7500.0
_NEAR_FRAMES, _NEAR_BINS = 2, 4
_GATE_DB = 40.0
_PEAKS_A_SECOND = 30
_FAN = 16
_SPAN_FRAMES = 75
_SPAN_BINS = 128
_WORDS_LEAST = 256
_WORDS_A_SECOND = 51.2
_BLOCK_FRAMES = 4096
"""Frames that are transformed at a time; a peak's neighbourhood passes over the seams."""

PARAMETERS = (
    WINDOW, HOP, _LOWEST_HZ, _HIGHEST_HZ, _NEAR_FRAMES, _NEAR_BINS, _GATE_DB, _PEAKS_A_SECOND, _FAN, _SPAN_FRAMES,
    _SPAN_BINS, _WORDS_LEAST, _WORDS_A_SECOND,
)  # fmt: skip
"""All that decides which words a waveform has."""


def find_words(waveform: NDArray[np.float32]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """The words of a waveform (16 kHz, mono) and where each begins.

    Returns: words, uint32 (k,), and places, int32 (k,), in hops of 8 ms; k is 256, or 51.2 for each second of
        a longer clip, fewer where there is little to hear.
    """
    frames, bins = _strongest(*_peaks(waveform))
    keys, anchors = _triples(frames, bins)
    mixed = _mix(keys)
    limit = max(_WORDS_LEAST, round(_WORDS_A_SECOND * len(waveform) / SAMPLE_RATE_HZ))
    if len(mixed) > limit:
        kept = np.argpartition(mixed >> np.uint64(32), limit)[:limit]
        mixed, anchors = mixed[kept], anchors[kept]
    words, first = np.unique((mixed & np.uint64(0xFFFFFFFF)).astype(np.uint32), return_index=True)
    return words, anchors[first].astype(np.int32)


def _peaks(waveform: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Frame, bin and level of each local maximum, in order of the frame, then the bin."""
    from scipy.fft import rfft
    from scipy.ndimage import maximum_filter

    hertz = SAMPLE_RATE_HZ / WINDOW
    lowest, highest = int(_LOWEST_HZ / hertz), int(_HIGHEST_HZ / hertz)
    padded = np.pad(waveform, WINDOW // 2)
    slices = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = np.hanning(WINDOW).astype(np.float32)
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]] = []
    for start in range(0, len(slices), _BLOCK_FRAMES):
        first, last = max(0, start - _NEAR_FRAMES), min(len(slices), start + _BLOCK_FRAMES + _NEAR_FRAMES)
        levels = np.abs(rfft(slices[first:last] * hann, axis=1)[:, lowest:highest]).astype(np.float32)
        highest_near = maximum_filter(levels, size=(2 * _NEAR_FRAMES + 1, 2 * _NEAR_BINS + 1), mode="constant")
        frames, bins = np.nonzero((levels == highest_near) & (levels > 0))
        mine = (frames + first >= start) & (frames + first < start + _BLOCK_FRAMES)
        found.append((frames[mine] + first, bins[mine], levels[frames[mine], bins[mine]]))
    frames, bins, strength = (np.concatenate(each) for each in zip(*found, strict=True))
    loud = strength > (strength.max(initial=0.0) * 10 ** (-_GATE_DB / 20))
    return frames[loud], bins[loud], strength[loud]


def _strongest(
    frames: NDArray[np.intp], bins: NDArray[np.intp], strength: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The peaks that are among the strongest within half a second on either side."""
    if not len(frames):
        return frames, bins
    half, step = SAMPLE_RATE_HZ // HOP // 2, 8
    centres = np.arange(0, frames[-1] + step, step)
    bounds = np.empty(len(centres), np.float32)
    ends = np.searchsorted(frames, [centres - half, centres + half + 1])
    for number, (first, last) in enumerate(ends.T):
        near = strength[first:last]
        bounds[number] = np.partition(near, -_PEAKS_A_SECOND)[-_PEAKS_A_SECOND] if len(near) > _PEAKS_A_SECOND else 0
    kept = strength >= bounds[(frames + step // 2) // step]
    return frames[kept], bins[kept]


def _triples(frames: NDArray[np.intp], bins: NDArray[np.intp]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Keys of an anchor with two of the peaks that follow it, and the anchor's frame."""
    count = len(frames)
    targets = np.full((count, _FAN), -1)
    taken = np.zeros(count, np.intp)
    for ahead in range(1, min(4 * _FAN, count)):
        near, far = np.arange(count - ahead), np.arange(ahead, count)
        later = frames[far] - frames[near]
        good = (later > 0) & (later <= _SPAN_FRAMES) & (np.abs(bins[far] - bins[near]) <= _SPAN_BINS)
        good &= taken[near] < _FAN
        targets[near[good], taken[near[good]]] = far[good]
        taken[near[good]] += 1
    one, two = np.triu_indices(_FAN, 1)
    anchor = np.repeat(np.arange(count), len(one))
    middle, last = targets[:, one].ravel(), targets[:, two].ravel()
    # Three peaks of one steady tone say nothing: every hum has them.
    spread = (np.abs(bins[middle] - bins[anchor]) > 1) | (np.abs(bins[last] - bins[anchor]) > 1)
    whole = (last >= 0) & spread
    anchor, middle, last = anchor[whole], middle[whole], last[whole]
    # Distances in steps of two hops: the grid of frames begins elsewhere in a trimmed clip.
    near, far = (frames[middle] - frames[anchor] + 1) // 2, (frames[last] - frames[anchor] + 1) // 2
    keys = bins[anchor]
    for part in (bins[middle], bins[last]):
        keys = keys << 9 | part
    for part in (near, far):
        keys = keys << 6 | part
    return keys.astype(np.uint64), frames[anchor]


def _mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 well-mixed bits of each key. Source: the finaliser of MurmurHash3 (Appleby)."""
    mixed = keys ^ (keys >> np.uint64(33))
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = mixed * np.uint64(factor)
        mixed ^= mixed >> np.uint64(33)
    return mixed
