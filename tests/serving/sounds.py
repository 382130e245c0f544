"""Sounds for the serving tests: tones in four bands, and files that no server should accept."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile

BANDS = {"low": 300.0, "mid": 900.0, "high": 2500.0, "top": 6000.0}


def tone_wav(
    hz: float, *, seed: int = 0, seconds: float = 1.0, rate: int = 16_000, channels: int = 1, **form: str
) -> bytes:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * time) + rng.normal(0, 0.01, time.size)
    return wav(np.repeat(wave[:, None], channels, axis=1), rate, **form)


def wav(samples: np.ndarray, rate: int = 16_000, *, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def wav_header(*, rate: int = 16_000, channels: int = 1, bits: int = 16, data_bytes: int, code: int = 1) -> bytes:
    """A canonical 44-byte header that may claim anything."""
    block = channels * bits // 8
    fields = struct.pack("<HHIIHH", code, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    size = min(36 + data_bytes, 0xFFFFFFFF)
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fields
        + (b"data" + struct.pack("<I", min(data_bytes, 0xFFFFFFFF)))
    )


def bad_files() -> dict[str, bytes]:
    """By what is wrong with it."""
    good = tone_wav(300)
    nan = np.full(16_000, np.nan, np.float32)
    some_nan = np.sin(np.arange(16_000) / 7).astype(np.float32)
    some_nan[5_000] = np.nan
    infinite = np.where(np.arange(16_000) == 9, np.inf, 0.1).astype(np.float32)
    return {
        "empty": b"",
        "text": b"this is no sound" * 100,
        "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(2000),
        "header cut": good[:30],
        "header only": good[:44],
        "ten-hour header": wav_header(data_bytes=36_000 * 32_000) + bytes(3200),
        "no channels": wav_header(channels=0, data_bytes=3200) + bytes(3200),
        "1,000 channels": wav_header(channels=1000, data_bytes=32_000) + bytes(32_000),
        "rate 0": wav_header(rate=0, data_bytes=3200) + bytes(3200),
        "rate 4 GHz": wav_header(rate=0xFFFFFFFF, data_bytes=3200) + bytes(3200),
        "NaN": wav(nan, subtype="FLOAT"),
        "one NaN": wav(some_nan, subtype="FLOAT"),
        "infinite": wav(infinite, subtype="FLOAT"),
        "silent": wav(np.zeros(16_000)),
        "one sample": wav(np.array([0.5])),
        "no samples": wav(np.zeros(0)),
        "ogg cut in the head": wav(np.sin(np.arange(16_000) / 9), kind="OGG", subtype="VORBIS")[:60],
        "flac cut in the head": wav(np.sin(np.arange(16_000) / 9), kind="FLAC")[:50],
        "mp3 tag without sound": b"ID3\x04\x00\x00\x00\x00\x0f\x76" + bytes(2000),
    }
