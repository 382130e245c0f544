"""Walks the frames of an MP3 file: how long it is, and where it breaks.

Source: ISO/IEC 11172-3 and 13818-3 (frame headers); gabriel.mp3-tech.org/mp3infotag.html (Xing and Info tag).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MpegFault", "MpegStream", "looks_like_mpeg", "walk_mpeg"]


class MpegFault(Exception):
    """The stream breaks ``at_s`` seconds in."""

    def __init__(self, at_s: float, why: str) -> None:
        super().__init__(why)
        self.at_s = at_s
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class MpegStream:
    """A stream whose frames follow each other without a gap.

    Attributes:
        frames: samples of each channel, before a decoder takes the encoder's padding off.
    """

    sample_rate_hz: int
    channels: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Frame:
    rate: int
    channels: int
    samples: int
    length: int


_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_LAYER_3 = 1
_TAG_BYTES = 128


def looks_like_mpeg(data: bytes) -> bool:
    """Whether the bytes begin with an ID3 tag or with two layer III frames."""
    if data[:3] == b"ID3":
        return True
    first = _frame(data, 0)
    return first is not None and (first.length >= len(data) or _frame(data, first.length) is not None)


def walk_mpeg(data: bytes, *, max_seconds: float) -> MpegStream:
    """Follow the frames from the first to the last, or until ``max_seconds`` are passed.

    Raises: MpegFault: something that is no frame, or the end of the file inside one.
    """
    at, end = _begin(data), _end(data)
    first = _frame(data, at)
    if first is None:
        raise MpegFault(0.0, "no MP3 frame follows its tag")
    promised = _promised_frames(data[at : at + first.length])
    walked = 0
    while at < end:
        second = walked * first.samples / first.rate
        frame = _frame(data, at)
        if frame is None and not any(data[at:end]):
            break  # zeros behind the last frame
        if frame is None or (frame.rate, frame.channels, frame.samples) != (first.rate, first.channels, first.samples):
            raise MpegFault(second, "what follows is no MP3 frame")
        if at + frame.length > end:
            raise MpegFault(second, "it ends inside a frame")
        at, walked = at + frame.length, walked + 1
        if second > max_seconds:
            break
    sounding = walked - (promised is not None)  # the frame with the tag is silent
    if promised is not None and at >= end and sounding < promised - 1:
        raise MpegFault(sounding * first.samples / first.rate, f"{sounding} of {promised} frames are there")
    return MpegStream(sample_rate_hz=first.rate, channels=first.channels, frames=sounding * first.samples)


def _frame(data: bytes, at: int) -> _Frame | None:
    """The layer III frame whose header is at ``at``; None: there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bitrate, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer != _LAYER_3 or bitrate in (0, 15) or rate == 3:
        return None  # reserved values, and streams of free format
    hertz = _RATES[version][rate]
    samples, kbps = (1152, _KBPS_1[bitrate]) if version == 3 else (576, _KBPS_2[bitrate])
    length = samples * kbps * 125 // hertz + padding
    return _Frame(hertz, 1 if data[at + 3] >> 6 == 3 else 2, samples, length)


def _begin(data: bytes) -> int:
    """Behind the ID3v2 tags at the start."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = data[at + 6 : at + 10]
        footer = 10 if data[at + 5] & 0x10 else 0
        at += 10 + footer + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    return at


def _end(data: bytes) -> int:
    """Before the tags at the end: ID3v1, then APEv2."""
    end = len(data)
    if data[-_TAG_BYTES:][:3] == b"TAG":
        end -= _TAG_BYTES
    if data[end - 32 : end - 24] == b"APETAGEX":
        size = int.from_bytes(data[end - 20 : end - 16], "little")
        has_header = data[end - 9] & 0x80
        end -= size + (32 if has_header else 0)
    return max(0, end)


def _promised_frames(frame: bytes) -> int | None:
    """How many frames the encoder wrote, if its first frame carries a Xing or Info tag."""
    for tag in (b"Xing", b"Info"):
        at = frame.find(tag, 4, 64)
        if at >= 0 and len(frame) >= at + 12 and frame[at + 7] & 1:
            return int.from_bytes(frame[at + 8 : at + 12], "big")
    return None
