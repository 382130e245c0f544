"""A sound file as mono samples at its own rate, and samples as a sound file that says what it is."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from ecosight.errors import UnreadableMedia
from modalities.sound.containers import read_header
from modalities.sound.vorbis import decode_vorbis

__all__ = ["NOTE_PREFIX", "note_in", "read_mono", "write_wav"]

NOTE_PREFIX = "ecosight-augmented"
"""How the comment of every written file begins: a copy can be told from a recording wherever it turns up."""


def read_mono(data: bytes, limits: SoundSection) -> tuple[NDArray[np.float32], int]:
    """Decode a file that was accepted before; see ``modalities.sound.decoding`` for files that nobody has checked.

    Returns: mono float32 (n,) at the file's own rate, and that rate in Hz. Nothing is resampled.
    Raises: InputError: it cannot be read after all.
    """
    header = read_header(data, max_seconds=limits.max_seconds)
    whole, rate = decode_vorbis(data, header), header.sample_rate_hz
    if whole is None:
        import soundfile

        try:
            whole, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except Exception as error:  # libsndfile's own class, and what its Python side raises on broken files
            raise UnreadableMedia("the recording cannot be decoded", hint="Is it damaged?") from error
    mono = np.asarray(whole.mean(axis=1, dtype=np.float32) if whole.shape[1] > 1 else whole[:, 0])
    if not np.isfinite(mono).all():
        raise UnreadableMedia("the recording holds samples that are not numbers", hint="Is it damaged?")
    return mono, rate


def write_wav(samples: NDArray[np.floating], rate: int, note: str) -> bytes:
    """A 16-bit mono WAV file with a comment. The same samples are the same bytes.

    Input: (n,), beyond full scale is cut off. A file of 16 bits that is read and written unchanged keeps its samples.
    """
    import soundfile

    whole = np.clip(np.rint(np.asarray(samples, np.float64) * 32768), -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, subtype="PCM_16", format="WAV") as file:
        file.comment = f"{NOTE_PREFIX} {note}"
        file.write(whole)
    return buffer.getvalue()


def note_in(data: bytes) -> str | None:
    """What ``write_wav`` noted in a file; None where this is no such file."""
    if data[:4] != b"RIFF" or NOTE_PREFIX.encode() not in data[:4096] + data[-4096:]:
        return None
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            comment = str(file.comment)
    except Exception:  # whatever is wrong with it: no file that was written here
        return None
    return comment.removeprefix(NOTE_PREFIX).strip() if comment.startswith(NOTE_PREFIX) else None
