"""A quicker way through Ogg Vorbis, where it is installed; libsndfile stays the judge of everything doubtful.

libvorbis takes 5 of the 6 ms that a 5-s clip costs to decode. Babycat (Symphonia, in Rust, memory-safe, without the
interpreter's lock) takes 3.3 ms for the same samples, equal to rounding (4e-7), so both share one decoder version.
stb_vorbis would be quicker still, but writes out of bounds on crafted files (CVE-2023-45676 and others).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.sound.containers import Header, VorbisExtent

__all__ = ["decode_vorbis"]

_MOST_VALUES = 1 << 22
"""Samples of all channels that may be decoded at once (16 MiB); longer files are decoded in blocks."""
_MOST_SLACK = 1 << 12
"""Samples behind the end that the last block may hold: half of the longest block there is."""


def decode_vorbis(data: bytes, header: Header) -> NDArray[np.float32] | None:
    """All samples, float32 (frames, channels); None: not Vorbis, too long, not installed, or not surely right."""
    extent = header.vorbis
    decoder = _decoder()
    if extent is None or decoder is None or not _suits(header, extent):
        return None
    try:
        decoded = decoder.from_encoded_bytes(data)
        samples: NDArray[np.float32] = decoded.to_numpy()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic in Rust is no Exception; libsndfile finds the words for the fault
        return None
    whole = extent.end <= len(samples) <= extent.end + _MOST_SLACK
    if not whole or samples.shape[1:] != (header.channels,) or decoded.frame_rate_hz != header.sample_rate_hz:
        return None
    return samples[: extent.end]


def _suits(header: Header, extent: VorbisExtent) -> bool:
    """Surround sound comes out of it wrong; what sensors record has one channel or two."""
    return header.channels <= 2 and extent.most_frames * header.channels <= _MOST_VALUES


@cache
def _decoder() -> Any:
    try:
        from babycat import Waveform
    except ImportError:
        return None
    return Waveform
