"""Any bytes give a mono 16 kHz waveform, or an error of the input family that says what is wrong."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sound_kit import encode, tone

from ecosight.config import SoundSection
from ecosight.errors import InputError, MediaTooLarge, UnreadableMedia, UnsupportedMedia
from modalities.sound.decoding import Sound, decode

SAFE = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def wav(data: bytes, *, rate: int = 16_000, channels: int = 1, bits: int = 16, codec: int = 1, size: int = -1) -> bytes:
    """A WAV file by hand, so that its header can lie."""
    block = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, codec, channels, rate, rate * block % 2**32, block, bits)
    length = len(data) if size < 0 else size
    body = b"WAVE" + form + struct.pack("<4sI", b"data", length) + data
    return b"RIFF" + struct.pack("<I", (4 + len(form) + 8 + length) & 0xFFFFFFFF) + body


def test_every_format_gives_the_same_sound(files: dict[str, bytes], limits: SoundSection) -> None:
    expected = soxr.resample(tone(1.5, 22_050), 22_050, 16_000, quality="HQ")
    for name, data in files.items():
        sound = decode(data, limits)
        assert sound.waveform.dtype == np.float32
        assert (sound.sample_rate_hz, sound.channels) == (22_050, 1)
        assert abs(sound.duration_s - 1.5) < 0.06, name
        shared = min(len(expected), len(sound.waveform))
        likeness = np.corrcoef(expected[:shared], sound.waveform[:shared])[0, 1]
        assert likeness > 0.98, name


@pytest.mark.parametrize(
    ("kind", "media_type"), [("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("OGG", "audio/ogg"), ("MP3", "audio/mpeg")]
)
def test_the_content_decides_the_type(kind: str, media_type: str, limits: SoundSection) -> None:
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    assert decode(encode(tone(0.5, 44_100), 44_100, kind, subtype), limits).media_type == media_type


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_any_rate_becomes_16_khz(rate: int, limits: SoundSection) -> None:
    sound = decode(encode(tone(0.5, rate), rate), limits)
    assert abs(len(sound.waveform) - 8_000) <= 1
    assert sound.sample_rate_hz == rate
    peak_hz = np.abs(np.fft.rfft(sound.waveform)).argmax() * 16_000 / len(sound.waveform)
    assert abs(peak_hz - 440) < 4


def test_channels_are_averaged(limits: SoundSection) -> None:
    stereo = np.stack([tone(0.5, 16_000), np.zeros(8_000, np.float32)], axis=1)
    sound = decode(encode(stereo, 16_000, subtype="FLOAT"), limits)
    np.testing.assert_allclose(sound.waveform, stereo[:, 0] / 2, atol=1e-6)
    assert sound.channels == 2


def test_192_khz_in_8_channels_is_read(limits: SoundSection) -> None:
    sound = decode(encode(tone(1.0, 192_000, channels=8), 192_000, "FLAC", "PCM_24"), limits)
    assert (sound.sample_rate_hz, sound.channels, len(sound.waveform)) == (192_000, 8, 16_000)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_opus_is_read_at_the_rate_that_its_decoder_chooses(rate: int, limits: SoundSection) -> None:
    sound = decode(encode(tone(1.0, rate), rate, "OGG", "OPUS"), limits)
    assert abs(sound.duration_s - 1.0) < 0.02
    assert abs(len(sound.waveform) - 16_000) < 320


def test_blocks_join_without_a_seam(limits: SoundSection) -> None:
    long = tone(20.0, 44_100)
    sound = decode(encode(long, 44_100, subtype="FLOAT"), limits)
    np.testing.assert_array_equal(sound.waveform, soxr.resample(long, 44_100, 16_000, quality="HQ"))


def test_real_files_are_read_whole(audio_data: Path, limits: SoundSection) -> None:
    files = [*audio_data.glob("audio/esc10/dev/*/*.ogg")][::12] + [*audio_data.glob("audio/fsdd/dev/*/*.wav")][::60]
    assert len(files) > 40
    for path in files:
        samples, rate = soundfile.read(path)
        assert abs(decode(path.read_bytes(), limits).duration_s - len(samples) / rate) < 1e-6


# -- what is refused -----------------------------------------------------------------------------------


def refused(data: bytes, limits: SoundSection, kind: type[InputError] = UnreadableMedia) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(data, limits)
    error = caught.value
    assert type(error) is kind, error.message
    assert error.message
    assert "\n" not in error.message
    assert error.hint
    return error


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"hello, this is text\n" * 40, "text"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3" + bytes(500), "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "JPEG"),
        (b"PK\x03\x04" + bytes(500), "ZIP"),
        (b"\0\0\0\x20ftypM4A " + bytes(500), "MP4"),
        (b"\xff\xf1\x50\x80" + bytes(range(256)) * 2, "AAC"),
        (b"RIFF\x10\0\0\0AVI LIST" + bytes(50), "RIFF"),
        (bytes(range(256)), "unknown"),
        (b"\0", "unknown"),
    ],
)
def test_another_medium_is_named(data: bytes, what: str, limits: SoundSection) -> None:
    assert what in refused(data, limits, UnsupportedMedia).message


def test_an_empty_file_is_unreadable(limits: SoundSection) -> None:
    assert refused(b"", limits).message == "the file is empty"


def test_a_file_above_the_limit_is_too_large() -> None:
    assert "MiB" in refused(bytes(2048), SoundSection(max_bytes=1024), MediaTooLarge).message


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.2])
def test_a_cut_file_is_refused_with_the_second_where_it_breaks(
    share: float, files: dict[str, bytes], limits: SoundSection
) -> None:
    for name, data in files.items():
        error = refused(data[: int(len(data) * share)], limits)
        assert error.context["broken_at_s"] <= 1.6, name
        # The decoder of FLAC needs whole frames, Ogg whole pages: half a second at most.
        assert error.context["broken_at_s"] >= 1.5 * share - (1.5 if "OGG" in name else 0.4), name


@pytest.mark.parametrize("name", ["FLAC PCM_16", "OGG VORBIS", "MP3 MPEG_LAYER_III"])
def test_garbage_in_the_middle_is_refused(name: str, files: dict[str, bytes], limits: SoundSection) -> None:
    data, garbage = files[name], np.random.default_rng(0).bytes(400)
    middle = len(data) // 2
    assert refused(data[:middle] + garbage + data[middle:], limits).context["broken_at_s"] < 1.4
    refused(data[:middle] + garbage + data[middle + len(garbage) :], limits)


def test_one_wrong_bit_in_flac_is_found_by_its_checksum(files: dict[str, bytes], limits: SoundSection) -> None:
    data = files["FLAC PCM_16"]
    places = range(200, len(data), len(data) // 9)
    errors = [refused(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], limits) for at in places]
    assert len(errors) >= 9
    assert all(0 <= error.context["broken_at_s"] <= 1.5 for error in errors)


def test_a_missing_page_in_ogg_is_found(limits: SoundSection) -> None:
    data = encode(tone(6.0, 44_100), 44_100, "OGG", "VORBIS")
    pages = [b"OggS" + page for page in data.split(b"OggS")[1:]]
    assert len(pages) > 4
    assert "page 3 is missing" in refused(b"".join(pages[:3] + pages[4:]), limits).message
    refused(b"".join(pages[:-1]), limits)


def test_two_recordings_in_one_ogg_file_are_refused(files: dict[str, bytes], limits: SoundSection) -> None:
    other = encode(tone(0.5, 22_050), 22_050, "OGG", "VORBIS")
    assert "several streams" in refused(files["OGG VORBIS"] + other, limits, UnsupportedMedia).message


def test_tags_around_mp3_are_no_fault(files: dict[str, bytes], limits: SoundSection) -> None:
    data = files["MP3 MPEG_LAYER_III"]
    tagged = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257) + data + b"TAG" + bytes(125)
    np.testing.assert_array_equal(decode(tagged, limits).waveform, decode(data, limits).waveform)


def test_a_streamed_wav_of_unknown_length_is_read(limits: SoundSection) -> None:
    data = (tone(0.5, 16_000) * 32767).astype("<i2").tobytes()
    streamed = bytearray(wav(data, size=0xFFFFFFFF))
    streamed[4:8] = b"\xff\xff\xff\xff"
    assert decode(bytes(streamed), limits).duration_s == 0.5


def test_chunks_around_the_sound_are_no_fault(limits: SoundSection) -> None:
    data = (tone(0.5, 16_000) * 32767).astype("<i2").tobytes()
    plain = wav(data)
    listed = plain[:12] + b"LIST\x05\0\0\0abcde\0" + plain[12:] + b"bext\x04\0\0\0abcd"
    assert decode(listed, limits).duration_s == 0.5


TONE = (tone(0.5, 16_000) * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (wav(TONE, channels=0), "0 channels"),
        (wav(TONE, rate=0), "0 Hz"),
        (wav(TONE, rate=5), "5 Hz"),
        (wav(TONE, rate=4_000_000_000), "4000000000 Hz"),
        (wav(TONE, bits=0), "0 bits"),
        (wav(TONE, size=10 * 3600 * 32_000), "36000.00 s that it promises"),
        (wav(b""), "lasts 0 s (0 samples)"),
        (wav(b"\x10\x20"), "(1 samples)"),
        (wav(bytes(32_000)), "every sample is zero"),
        (wav(b"\1\0" * 16_000), "-90 dBFS"),
        (wav(TONE)[:40], "no sound data"),
        (wav(TONE)[:20], "header"),
        (wav(np.full(16_000, np.nan, "<f4").tobytes(), codec=3, bits=32), "NaN"),
        (wav(np.full(16_000, np.inf, "<f4").tobytes(), codec=3, bits=32), "infinite"),
        (wav(np.full(16_000, 1e30, "<f4").tobytes(), codec=3, bits=32), "full scale is 1"),
        (wav(np.full(16_000, 1e300, "<f8").tobytes(), codec=3, bits=64), "infinite"),
    ],
)
def test_a_wav_that_cannot_be_used_is_refused(data: bytes, why: str, limits: SoundSection) -> None:
    assert why in refused(data, limits).message


def test_a_wav_with_an_unknown_codec_is_unsupported(limits: SoundSection) -> None:
    assert "0x0055" in refused(wav(TONE, codec=0x55), limits, UnsupportedMedia).message


def test_a_lone_nan_is_found_where_it_is(limits: SoundSection) -> None:
    samples = tone(2.0, 16_000)
    samples[24_000] = np.nan
    error = refused(wav(samples.tobytes(), codec=3, bits=32), limits)
    assert error.context["broken_at_s"] == 1.5


def test_channels_that_cancel_out_are_silent(limits: SoundSection) -> None:
    wave = tone(0.5, 16_000)
    error = refused(encode(np.stack([wave, -wave], axis=1), 16_000, subtype="FLOAT"), limits)
    assert "silent" in error.message


@pytest.mark.parametrize("kind", ["WAV PCM_16", "FLAC PCM_16", "OGG VORBIS", "MP3 MPEG_LAYER_III"])
def test_a_recording_above_the_limit_is_too_long(kind: str, files: dict[str, bytes]) -> None:
    error = refused(files[kind], SoundSection(max_seconds=1.0))
    assert "too long" in error.message
    assert error.context["limit_s"] == 1.0


def test_a_small_file_that_unpacks_to_an_hour_takes_little_memory() -> None:
    hour = io.BytesIO()
    with soundfile.SoundFile(hour, "w", 8_000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8_000, np.int16))
    data = bytearray(hour.getvalue())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # the promise of its length taken out, and its checksum
    data[26:42] = bytes(16)
    assert len(data) < 2**20
    assert peak_bytes(bytes(data), SoundSection(max_seconds=600)) < 64 * 2**20


def test_a_lying_header_takes_little_memory() -> None:
    lying = wav(TONE, size=10 * 3600 * 32_000)
    assert peak_bytes(lying, SoundSection()) < 2**20


def peak_bytes(data: bytes, limits: SoundSection) -> int:
    tracemalloc.start()
    try:
        refused(data, limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -- whatever comes ------------------------------------------------------------------------------------


@SAFE
@given(data=st.data())
def test_mutated_files_never_raise_anything_else(
    data: st.DataObject, files: dict[str, bytes], limits: SoundSection
) -> None:
    whole = bytearray(files[data.draw(st.sampled_from(sorted(files)))])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are where a byte matters most.
        at = data.draw(st.integers(0, 120) | st.integers(0, len(whole) - 1))
        how = data.draw(st.sampled_from(["overwrite", "insert", "delete", "cut"]))
        garbage = data.draw(st.binary(min_size=1, max_size=8))
        if how == "overwrite":
            whole[at : at + len(garbage)] = garbage
        elif how == "insert":
            whole[at:at] = garbage
        elif how == "delete":
            del whole[at : at + data.draw(st.integers(1, 500))]
        else:
            del whole[at + 1 :]
        if not whole:
            break
    assert is_honest(outcome(bytes(whole), limits))


@SAFE
@given(
    head=st.sampled_from([b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3", b"\xff\xfb\x90\x64", b""]), rest=st.binary()
)
@example(head=b"ID3", rest=b"\x04\0\0\x7f\x7f\x7f\x7f")
@example(head=b"fLaC", rest=b"\x80\0\0\0")
def test_bytes_behind_a_magic_number_never_raise_anything_else(head: bytes, rest: bytes, limits: SoundSection) -> None:
    assert is_honest(outcome(head + rest, limits))


def outcome(data: bytes, limits: SoundSection) -> Sound | InputError:
    try:
        return decode(data, limits)
    except InputError as error:
        return error


def is_honest(found: Sound | InputError) -> bool:
    """A sound that has samples, each a number; or a refusal in one line."""
    if isinstance(found, InputError):
        return bool(found.message) and "\n" not in found.message
    return found.waveform.size > 0 and bool(np.isfinite(found.waveform).all())
