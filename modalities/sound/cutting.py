"""Cuts a piece out of a recording: the exact samples, at the file's own rate, with all channels, nothing lost.

Whole numbers stay whole numbers of the same width; what a lossy codec gives is kept as the 32-bit floats that it gives.
WAV holds nothing else, so the same file and span are the same bytes, whatever machine cuts them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Protocol

from ecosight.config import SoundSection
from ecosight.errors import InvalidInput, UnreadableMedia

__all__ = ["SpanLike", "cut_sound"]

_ROUNDING_S = 0.05
"""How far a span may reach over the end: tools round, and show the last window whole."""
_WHOLE = {"PCM_S8": "PCM_16", "PCM_U8": "PCM_U8", "PCM_16": "PCM_16", "PCM_24": "PCM_24", "PCM_32": "PCM_32"}
_SEEKABLE = frozenset({"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"})
"""Containers in which a seek is exact to the sample; others are decoded from their beginning."""
_BLOCK_FRAMES = 1 << 18


class SpanLike(Protocol):
    """What is cut; see ``dataset.readers.Span``."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def maybe_cut(self) -> bool: ...


def cut_sound(path: Path, span: SpanLike, limits: SoundSection) -> bytes:
    """The piece as a WAV file; the file itself where it holds just this piece already.

    The recording may be longer and larger than the limits for samples: only the piece is kept in memory.
    Raises: InvalidInput: the span reaches over the end. UnreadableMedia: the file cannot be decoded there, or the
        piece would be longer than the limit.
    """
    import soundfile

    if span.end_s - span.start_s > limits.max_seconds:
        raise UnreadableMedia(
            f"the piece would last {span.end_s - span.start_s:.0f} s, the limit is {limits.max_seconds:g} s",
            hint="Mark shorter pieces, or raise sound.max_seconds.",
        )
    try:
        with soundfile.SoundFile(path) as file:
            if span.maybe_cut and _holds_only(file, span):
                return path.read_bytes()
            first, behind = _frames(file, span)
            return _as_wav(file, first, behind)
    except (soundfile.LibsndfileError, OSError) as error:
        told = getattr(error, "error_string", "") or str(error)
        raise UnreadableMedia(
            f"the recording cannot be decoded: {' '.join(str(told).split())[:160]}",
            hint="Is it a sound file, and whole?",
        ) from error


def _holds_only(file: Any, span: SpanLike) -> bool:
    return bool(file.frames / file.samplerate <= span.end_s - span.start_s + _ROUNDING_S)


def _frames(file: Any, span: SpanLike) -> tuple[int, int]:
    first, behind = round(span.start_s * file.samplerate), round(span.end_s * file.samplerate)
    if behind > file.frames + round(_ROUNDING_S * file.samplerate) or first >= file.frames:
        raise InvalidInput(
            f"the piece from {span.start_s:g} s to {span.end_s:g} s reaches over the end of the recording, "
            f"which lasts {file.frames / file.samplerate:.3f} s",
            hint="Is it the recording that was annotated?",
        )
    return first, max(first + 1, min(behind, file.frames))


def _as_wav(file: Any, first: int, behind: int) -> bytes:
    import soundfile

    whole = _WHOLE.get(file.subtype)
    kind = "int32" if whole else "float32"
    exact = file.format in _SEEKABLE
    if exact:
        file.seek(first)
    at = first if exact else 0
    buffer = io.BytesIO()
    subtype = whole or ("DOUBLE" if file.subtype == "DOUBLE" else "FLOAT")
    kind = "float64" if subtype == "DOUBLE" else kind
    with soundfile.SoundFile(buffer, "w", file.samplerate, file.channels, subtype=subtype, format="WAV") as piece:
        while at < behind:
            block = file.read(min(_BLOCK_FRAMES, behind - at), dtype=kind, always_2d=True)
            if not len(block):
                raise UnreadableMedia(
                    f"the recording breaks off at {at / file.samplerate:.2f} s", hint="Was it copied whole?"
                )
            piece.write(block[max(0, first - at) :])
            at += len(block)
    return _timeless(buffer.getvalue())


def _timeless(data: bytes) -> bytes:
    """Without the time of writing, which libsndfile puts into the PEAK chunk of files of floats."""
    at = data.find(b"PEAK", 0, 128)
    return data if at < 0 else data[: at + 12] + bytes(4) + data[at + 16 :]
