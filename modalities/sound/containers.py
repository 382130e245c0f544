"""What a sound file's own structure says before anything is decoded: its type, its promise, and whether it is whole.

Decoders forgive: they end early at a cut, and skip what is damaged. Here nothing is forgiven in silence.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ecosight.errors import UnreadableMedia, UnsupportedMedia
from modalities.sound.mpeg import MpegFault, looks_like_mpeg, walk_mpeg

__all__ = ["Header", "VorbisExtent", "ogg_checksum", "read_header"]

KNOWN = "Send wav, mp3, ogg or flac; `ffmpeg -i FILE out.wav` converts most other things."


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The promise of a file whose structure is whole.

    Attributes:
        media_type: IANA type.
        sample_rate_hz, channels: as written in the file, unchecked.
        frames: samples of each channel that must come out at least; None where the file does not say.
        any_rate: the decoder chooses the sample rate that comes out (Opus).
        pcm_md5: FLAC's checksum of the samples, and bits_per_sample to compute it; None elsewhere.
        vorbis: what the pages of Ogg Vorbis say; None elsewhere.
    """

    media_type: str
    sample_rate_hz: int
    channels: int
    frames: int | None
    any_rate: bool = False
    pcm_md5: bytes | None = None
    bits_per_sample: int = 0
    vorbis: VorbisExtent | None = None


@dataclass(frozen=True, slots=True)
class VorbisExtent:
    """How much sound an Ogg Vorbis file holds.

    Attributes:
        end: position of the last page: samples of each channel from the beginning.
        most_frames: more samples of each channel than this cannot come out, whatever the positions say.
    """

    end: int
    most_frames: int


def read_header(data: bytes, *, max_seconds: float) -> Header:
    """The header of a wav, flac, ogg or mp3 file; its content decides which.

    Args:
        max_seconds: no structure is walked beyond this length.
    Raises: UnsupportedMedia: another medium, or a codec that is not read here.
        UnreadableMedia: cut short, damaged, contradictory.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _wav(data)
    if data[:4] == b"fLaC":
        return _flac(data)
    if data[:4] == b"OggS":
        return _ogg(data)
    if looks_like_mpeg(data):
        return _mp3(data, max_seconds)
    what = _other_medium(data)
    raise UnsupportedMedia(f"this is {what}, not a sound file that is known here", hint=KNOWN)


def broken(at_s: float, why: str) -> UnreadableMedia:
    """The file ends or breaks ``at_s`` seconds in."""
    return UnreadableMedia(
        f"the file breaks after {at_s:.2f} s: {why}",
        hint="It was damaged or cut on its way; send the original again.",
        broken_at_s=round(at_s, 3),
    )


def contradictory(why: str) -> UnreadableMedia:
    """The header cannot be true."""
    return UnreadableMedia(f"the file's header is damaged: {why}", hint="Record or convert it again.")


# -- WAV: a list of chunks (Microsoft and IBM, Multimedia Programming Interface, 1991) -------------------

_WAV_CODECS = {0x0001: "PCM", 0x0002: "ADPCM", 0x0003: "float", 0x0006: "A-law", 0x0007: "mu-law", 0x0011: "ADPCM"}
_MOST_CHUNKS = 10_000
_UNKNOWN_LENGTH = 0xFFFF_FFFF  # what programs write that stream a WAV and cannot go back


def _wav(data: bytes) -> Header:
    chunks = _wav_chunks(data)
    if "fmt " not in chunks or chunks["fmt "][1] < 16:
        raise contradictory("it has no format chunk")
    at, size = chunks["fmt "]
    if at + size > len(data):
        raise broken(0.0, "it ends inside the header")
    codec, channels, rate, byte_rate, block, bits = struct.unpack_from("<HHIIHH", data, at)
    if codec == 0xFFFE and size >= 26:
        (codec,) = struct.unpack_from("<H", data, at + 24)
    if codec not in _WAV_CODECS:
        raise UnsupportedMedia(f"WAV with codec 0x{codec:04x} is not read here", hint=KNOWN)
    if not channels or not rate:
        raise contradictory(f"{channels} channels at {rate} Hz")
    if "data" not in chunks:
        raise contradictory("it has no sound data")
    at, promised = chunks["data"]
    there = len(data) - at
    if promised == _UNKNOWN_LENGTH and data[4:8] == b"\xff\xff\xff\xff":
        promised = there
    if _WAV_CODECS[codec] == "ADPCM":
        if promised > there:
            raise broken(there / max(1, byte_rate), f"{promised - there} bytes of sound are missing")
        return Header(media_type="audio/wav", sample_rate_hz=rate, channels=channels, frames=None)
    if bits % 8 or not bits or block != channels * bits // 8:
        raise contradictory(f"{channels} channels of {bits} bits cannot take {block} bytes a frame")
    if promised > there:
        missing, seconds = promised - there, promised / block / rate
        raise broken(there // block / rate, f"{missing} bytes are missing of the {seconds:.2f} s that it promises")
    return Header(media_type="audio/wav", sample_rate_hz=rate, channels=channels, frames=promised // block)


def _wav_chunks(data: bytes) -> dict[str, tuple[int, int]]:
    """Name -> (where its content begins, promised size); the first of each name, up to the sound data."""
    chunks: dict[str, tuple[int, int]] = {}
    at = 12
    while at + 8 <= len(data) and "data" not in chunks:
        name, size = data[at : at + 4].decode("latin-1"), int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.setdefault(name, (at + 8, size))
        at += 8 + size + size % 2
        if len(chunks) > _MOST_CHUNKS:
            raise contradictory("it has thousands of chunks")
    return chunks


# -- FLAC (RFC 9639) -----------------------------------------------------------------------------------


def _flac(data: bytes) -> Header:
    at, last = 4, False
    while not last:
        if at + 4 > len(data):
            raise broken(0.0, "it ends inside the header")
        last, at = bool(data[at] & 0x80), at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    if data[4] & 0x7F or len(data) < 42 or at > len(data):
        raise contradictory("its stream description is missing")
    bits = int.from_bytes(data[18:26], "big")  # 20 bits rate, 3 channels, 5 depth, 36 samples
    rate, channels, depth, frames = bits >> 44, (bits >> 41 & 7) + 1, (bits >> 36 & 31) + 1, bits & (1 << 36) - 1
    if not rate:
        raise contradictory(f"{channels} channels at 0 Hz")
    return Header(
        media_type="audio/flac",
        sample_rate_hz=rate,
        channels=channels,
        frames=frames or None,
        pcm_md5=data[26:42] if any(data[26:42]) else None,
        bits_per_sample=depth,
    )


# -- Ogg: a chain of pages with checksums (RFC 3533) ---------------------------------------------------

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MOST_PAGES = 200_000
_FIRST_PAGE, _LAST_PAGE = 2, 4


def _ogg(data: bytes) -> Header:
    rate, channels, delay = _ogg_codec(data)
    at = number = position = packets = 0
    serial, flags = data[14:18], 0
    while at < len(data):
        page = _ogg_page(data, at)
        second = max(0, position - delay) / rate
        if not page:
            raise broken(second, "what follows is no whole page of it")
        length, flags, granule, mine, sequence = page
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        packets += len(lacing) - lacing.count(255)  # 255: the packet goes on
        if mine != serial or (flags & _FIRST_PAGE and at):
            raise UnsupportedMedia("the Ogg file holds several streams", hint="Send one recording a file.")
        if sequence != number:
            raise broken(second, f"page {number} is missing")
        position = granule if granule >= 0 else position  # -1: no packet ends on this page
        at, number = at + length, number + 1
        if number > _MOST_PAGES:
            raise contradictory("it has hundreds of thousands of pages")
    if not flags & _LAST_PAGE:
        raise broken(max(0, position - delay) / rate, "its end is missing")
    return Header(
        media_type="audio/ogg",
        sample_rate_hz=rate,
        channels=channels,
        frames=None,
        any_rate=b"OpusHead" in data[:100],
        vorbis=_vorbis_extent(data, position, packets),
    )


def _vorbis_extent(data: bytes, end: int, packets: int) -> VorbisExtent | None:
    """Blocks overlap by half, so a packet gives half of the longer block at most (Vorbis I, sections 4.2.2, 4.3.8)."""
    packet = data[27 + data[26] :][:30]
    if packet[:7] != b"\x01vorbis":
        return None
    return VorbisExtent(end, packets * (1 << (packet[28] >> 4)) // 2)


def _ogg_codec(data: bytes) -> tuple[int, int, int]:
    """Sample rate, channels and samples before the start, from the first packet."""
    packet = data[27 + data[26] :] if len(data) > 27 else b""
    rate = channels = delay = 0
    if len(packet) < 30:
        raise broken(0.0, "it ends inside the header")
    if packet[:7] == b"\x01vorbis":
        channels, rate = packet[11], int.from_bytes(packet[12:16], "little")
    elif packet[:8] == b"OpusHead":
        channels, delay, rate = packet[9], int.from_bytes(packet[10:12], "little"), 48_000
    elif packet[:5] == b"\x7fFLAC" and len(packet) >= 35:
        bits = int.from_bytes(packet[27:35], "big")
        rate, channels = bits >> 44, (bits >> 41 & 7) + 1
    else:
        raise UnsupportedMedia("the Ogg file holds neither Vorbis, Opus nor FLAC", hint=KNOWN)
    if not channels or not rate:
        raise contradictory(f"{channels} channels at {rate} Hz")
    return rate, channels, delay


def _ogg_page(data: bytes, at: int) -> tuple[int, int, int, bytes, int] | None:
    """Length, flags, granule position, serial and number of the page at ``at``; None: no sound page is there."""
    if data[at : at + 5] != b"OggS\x00" or at + 27 > len(data):
        return None
    flags, granule, serial, number, checksum, segments = struct.unpack_from("<Bq4sIIB", data, at + 5)
    length = 27 + segments + sum(data[at + 27 : at + 27 + segments])
    page = data[at : at + length]
    if len(page) < length or ogg_checksum(page) != checksum:
        return None
    return length, flags, granule, serial, number


def ogg_checksum(page: bytes) -> int:
    """CRC-32 with the bits of bytes and result in the other order than zlib's, begun at 0, checksum field zeroed."""
    blank = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(blank.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


# -- MP3 and everything else ---------------------------------------------------------------------------


def _mp3(data: bytes, max_seconds: float) -> Header:
    try:
        stream = walk_mpeg(data, max_seconds=max_seconds)
    except MpegFault as fault:
        raise broken(fault.at_s, fault.why) from fault
    return Header(
        media_type="audio/mpeg",
        sample_rate_hz=stream.sample_rate_hz,
        channels=stream.channels,
        frames=stream.frames,
    )


def _other_medium(data: bytes) -> str:
    signs: tuple[tuple[Callable[[bytes], bool], str], ...] = (
        (lambda head: head.startswith(b"%PDF"), "a PDF document"),
        (lambda head: head.startswith(b"\x89PNG"), "a PNG picture"),
        (lambda head: head.startswith(b"\xff\xd8\xff"), "a JPEG picture"),
        (lambda head: head.startswith(b"GIF8"), "a GIF picture"),
        (lambda head: head.startswith(b"PK\x03\x04"), "a ZIP archive"),
        (lambda head: head.startswith(b"\x1f\x8b"), "a gzip archive"),
        (lambda head: head[4:8] == b"ftyp", "an MP4 or M4A file"),
        (lambda head: head.startswith(b"\x1aE\xdf\xa3"), "a Matroska or WebM file"),
        (lambda head: head.startswith(b"FORM"), "an AIFF file"),
        (lambda head: head[:4] in (b"RF64", b"RIFX", b"RIFF"), "another kind of RIFF file than WAV"),
        (lambda head: head[:1] == b"\xff" and head[1:2] >= b"\xf0", "AAC or another kind of MPEG than MP3"),
        (lambda head: not set(head) - _TEXT, "text"),
    )
    return next((name for sign, name in signs if sign(data[:512])), "data of an unknown kind")


_TEXT = set(range(32, 256)) | {9, 10, 13}
