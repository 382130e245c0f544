"""From the bytes of a sound file to mono float32 at 16 kHz, within limits, or to an error that says what is wrong.

Nothing is written to disk, and memory stays near that of the result: blocks are decoded, mixed and resampled one
after the other, so neither a lying header nor a small file that unpacks to hours can take much.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from ecosight.errors import MediaTooLarge, UnreadableMedia
from modalities.sound.containers import Header, broken, contradictory, read_header
from modalities.sound.runtime import SAMPLE_RATE_HZ
from modalities.sound.vorbis import decode_vorbis

__all__ = ["DECODER_VERSION", "Sound", "decode"]

DECODER_VERSION = 1
"""Part of every embedder's digest: raise it when the same bytes may give other samples."""
_BLOCK_VALUES = 1 << 18
"""Samples of all channels that are decoded at a time (1 MiB)."""
_RATES_HZ = (1_000, 1_000_000)
_LOUDEST = 100.0
"""Float files may pass full scale (1.0), but not by orders of magnitude."""
_UNKNOWN = 1 << 62
"""libsndfile gives a larger number of frames where it does not know."""
_MP3_PADDING = 8 * 1152
"""Samples that a decoder may rightly leave out: what the encoder added before and behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A decoded clip.

    Attributes:
        waveform: mono float32 (samples,) at 16 kHz.
        media_type: IANA type of the file.
        duration_s, sample_rate_hz, channels: of the file.
        peak: largest absolute sample of the mono mix; 1.0 is full scale.
    """

    waveform: NDArray[np.float32]
    media_type: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    peak: float


def decode(data: bytes, limits: SoundSection) -> Sound:
    """Decode a wav, mp3, ogg or flac file whole; its content decides the type.

    Raises: MediaTooLarge: more bytes than the limit. UnsupportedMedia: another medium or codec.
        UnreadableMedia: empty, cut, damaged, too long, too short or silent.
    """
    if len(data) > limits.max_bytes:
        raise MediaTooLarge(
            f"the file has {len(data) / 2**20:.1f} MiB, the limit is {limits.max_bytes / 2**20:.1f} MiB",
            hint="Cut it into pieces, send it compressed (flac, ogg), or raise sound.max_bytes.",
            size_bytes=len(data),
        )
    if not data:
        raise UnreadableMedia("the file is empty", hint="It has 0 bytes; look whether the recorder could write.")
    header = read_header(data, max_seconds=limits.max_seconds)
    _check_header(header, limits)
    whole = decode_vorbis(data, header)
    if whole is not None:
        return _mixed(header, header.sample_rate_hz, [whole], limits)
    with _opened(data, header) as file:
        return _mixed(header, file.samplerate, _blocks(file, data, header), limits)


def _mixed(header: Header, rate: int, blocks: Iterable[NDArray[np.float32]], limits: SoundSection) -> Sound:
    mix = _Mix(header, rate, limits)
    for block in blocks:
        mix.add(block)
    return mix.finish()


class _Mix:
    """Takes decoded blocks, and keeps the 16 kHz mono signal only."""

    def __init__(self, header: Header, rate: int, limits: SoundSection) -> None:
        self._header, self._rate, self._limits = header, rate, limits
        self._frames = 0
        self._peak = 0.0
        self._parts: list[NDArray[np.float32]] = []
        self._waiting: NDArray[np.float32] | None = None
        self._resampler: Any = None

    def add(self, block: NDArray[np.float32]) -> None:
        """A block of samples, float32 (frames, channels)."""
        loudest = max(float(block.max()), -float(block.min()))  # NaN where any sample is
        if not loudest <= _LOUDEST:
            raise self._unusable(block)
        if block.shape[1] == 1:
            mono = block[:, 0]
        else:
            mono = block.mean(axis=1, dtype=np.float32)
            loudest = max(float(mono.max()), -float(mono.min()))
        self._frames += len(mono)
        self._peak = max(self._peak, loudest)
        _check_length(self._frames / self._rate, self._limits)
        if self._waiting is not None:
            self._parts.append(self._resampled(self._waiting, last=False))
        self._waiting = mono

    def finish(self) -> Sound:
        duration_s = self._frames / self._rate
        if duration_s < self._limits.min_seconds:
            raise UnreadableMedia(
                f"the recording lasts {duration_s:.3g} s ({self._frames} samples), "
                f"at least {self._limits.min_seconds:g} s are needed",
                hint="Record longer, or lower sound.min_seconds.",
                duration_s=duration_s,
            )
        self._check_silence()
        return Sound(
            waveform=self._joined(),
            media_type=self._header.media_type,
            duration_s=duration_s,
            sample_rate_hz=self._rate,
            channels=self._header.channels,
            peak=self._peak,
        )

    def _joined(self) -> NDArray[np.float32]:
        import soxr

        last = np.zeros(0, np.float32) if self._waiting is None else self._waiting
        if not self._parts and self._rate != SAMPLE_RATE_HZ:  # one block: the same samples, a sixth quicker
            return np.asarray(soxr.resample(last, self._rate, SAMPLE_RATE_HZ, quality="HQ"))
        return np.concatenate([*self._parts, self._resampled(last, last=True)])

    def _resampled(self, mono: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        if self._rate == SAMPLE_RATE_HZ:
            return mono
        if self._resampler is None:
            import soxr

            self._resampler = soxr.ResampleStream(self._rate, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        return np.asarray(self._resampler.resample_chunk(np.ascontiguousarray(mono), last=last))

    def _unusable(self, block: NDArray[np.float32]) -> UnreadableMedia:
        at = int(np.flatnonzero(~(np.abs(block) <= _LOUDEST).all(axis=1))[0])
        value = next(each for each in block[at] if not abs(each) <= _LOUDEST)
        at_s = (self._frames + at) / self._rate
        if np.isfinite(value):
            return broken(at_s, f"a sample of {abs(value):.3g}, where full scale is 1")
        return broken(at_s, "samples there are not numbers (NaN or infinite)")

    def _check_silence(self) -> None:
        peak_dbfs = 20 * np.log10(self._peak) if self._peak else -np.inf
        if peak_dbfs < self._limits.silence_dbfs:
            level = f"its loudest sample is at {peak_dbfs:.0f} dBFS" if self._peak else "every sample is zero"
            raise UnreadableMedia(
                f"the recording is silent: {level}",
                hint="Look at the microphone, its gain, and whether two channels cancel out (sound.silence_dbfs).",
            )


def _check_header(header: Header, limits: SoundSection) -> None:
    lowest, highest = _RATES_HZ
    if not lowest <= header.sample_rate_hz <= highest:
        raise contradictory(f"a sample rate of {header.sample_rate_hz} Hz")
    if header.frames is not None:
        _check_length(header.frames / header.sample_rate_hz, limits)


def _check_length(seconds: float, limits: SoundSection) -> None:
    if seconds > limits.max_seconds:
        raise UnreadableMedia(
            f"the recording is too long: {seconds:.0f} s or more, the limit is {limits.max_seconds:g} s",
            hint="Cut it into pieces, or raise sound.max_seconds.",
            limit_s=limits.max_seconds,
        )


def _opened(data: bytes, header: Header) -> Any:
    """The bytes as a ``soundfile.SoundFile``, which agrees with the header."""
    import soundfile

    try:
        file = soundfile.SoundFile(_Memory(data))
    except Exception as error:  # libsndfile's own class, and what its Python side raises on broken files
        raise broken(0.0, f"it cannot be decoded ({_sentence(error)})") from error
    if file.channels != header.channels or not (header.any_rate or file.samplerate == header.sample_rate_hz):
        file.close()
        raise contradictory(f"{header.channels} channels at {header.sample_rate_hz} Hz are not what is in it")
    return file


def _blocks(file: Any, data: bytes, header: Header) -> Iterator[NDArray[np.float32]]:
    """Decoded blocks, float32 (frames, channels), to the end that the file promises.

    Raises: UnreadableMedia: the decoder fails, gives less than was promised, or something else.
    """
    # FLAC's checksum is over the integers, so those are read; the division by 2^31 is what libsndfile does too.
    checksum = hashlib.md5(usedforsecurity=False) if header.pcm_md5 else None
    frames = max(1, _BLOCK_VALUES // file.channels)
    decoded = 0
    while True:
        try:
            block = file.read(frames, dtype="float32" if checksum is None else "int32", always_2d=True)
        except Exception as error:
            at_s = _breaking_point(data) / file.samplerate
            raise broken(at_s, f"it cannot be decoded ({_sentence(error)})") from error
        if not len(block):
            break
        decoded += len(block)
        if checksum is not None:
            checksum.update(_packed(block, header.bits_per_sample))
            block = block.astype(np.float32) * np.float32(2.0**-31)
        yield block
    promised = _promised(file, header)
    if decoded < promised:
        raise broken(decoded / file.samplerate, f"it promises {promised / file.samplerate:.2f} s")
    if checksum is not None and checksum.digest() != header.pcm_md5:
        raise UnreadableMedia(
            "the sound does not match the file's own checksum",
            hint="It was damaged on its way; send the original again.",
        )


def _promised(file: Any, header: Header) -> int:
    """Frames that must come out: what the structure says and what the decoder said at the start."""
    if header.media_type == "audio/mpeg":
        return (header.frames or 0) - _MP3_PADDING
    return max(header.frames or 0, file.frames if file.frames < _UNKNOWN else 0)


def _breaking_point(data: bytes) -> int:
    """How many frames can be decoded, found in small steps; only for files that are known to be broken."""
    import soundfile

    decoded = 0
    with contextlib.suppress(Exception), soundfile.SoundFile(_Memory(data)) as file:
        while count := len(file.read(1024, always_2d=True)):
            decoded += count
    return decoded


def _packed(block: NDArray[np.int32], bits: int) -> bytes:
    """Samples as FLAC's checksum sees them: little-endian, each in as few whole bytes as its bits need."""
    width = (bits + 7) // 8
    samples = np.ascontiguousarray(block >> (32 - bits), dtype="<i4")
    if width == 2:
        return samples.astype("<i2").tobytes()
    return samples.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


class _Memory(io.BytesIO):
    """Bytes as a file that never raises: an error inside libsndfile's callback would be printed, not passed on."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return super().seek(0, io.SEEK_END)


def _sentence(error: Any) -> str:
    text = getattr(error, "error_string", "") or str(error)
    return " ".join(str(text).split()).rstrip(".")[:160] or type(error).__name__
