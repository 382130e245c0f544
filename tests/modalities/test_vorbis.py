"""The quick Vorbis decoder and libsndfile give the same sound; what neither can read is an InputError."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sound_kit import encode, tone

from ecosight.config import SoundSection
from ecosight.errors import InputError
from modalities.sound import decoding, vorbis
from modalities.sound.containers import ogg_checksum, read_header
from modalities.sound.decoding import decode


def by_libsndfile(data: bytes, limits: SoundSection) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "decode_vorbis", lambda data, header: None)
        return decode(data, limits).waveform


def quick(data: bytes) -> np.ndarray | None:
    return vorbis.decode_vorbis(data, read_header(data, max_seconds=300))


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1), (96_000, 2)])
@pytest.mark.parametrize("seconds", [0.06, 0.5, 3.7])
def test_the_quick_way_gives_the_samples_of_libsndfile(
    rate: int, channels: int, seconds: float, limits: SoundSection
) -> None:
    data = encode(tone(seconds, rate, channels=channels), rate, "OGG", "VORBIS")
    samples = quick(data)
    assert samples is not None
    assert samples.shape == (round(seconds * rate), channels)
    np.testing.assert_allclose(decode(data, limits).waveform, by_libsndfile(data, limits), atol=2e-6)


def test_real_recordings_sound_the_same_both_ways(audio_data: Path, limits: SoundSection) -> None:
    files = sorted(audio_data.glob("audio/esc10/dev/*/*.ogg"))[::6]
    assert len(files) >= 40
    for file in files:
        data = file.read_bytes()
        assert quick(data) is not None, file
        np.testing.assert_allclose(decode(data, limits).waveform, by_libsndfile(data, limits), atol=2e-6)


def test_what_might_unpack_to_much_is_decoded_in_blocks(limits: SoundSection) -> None:
    data = long_vorbis(seconds=100)
    assert quick(data) is None
    assert abs(decode(data, limits).duration_s - 100.0) < 1e-3


def test_surround_sound_and_other_codecs_are_left_to_libsndfile(limits: SoundSection) -> None:
    surround = encode(tone(1.0, 48_000, channels=6), 48_000, "OGG", "VORBIS")
    assert quick(surround) is None
    assert decode(surround, limits).channels == 6
    assert quick(encode(tone(1.0, 48_000), 48_000, "OGG", "OPUS")) is None


def long_vorbis(*, seconds: int) -> bytes:
    """Written second by second: libsndfile's encoder keeps a whole write on its stack."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48_000, 1, "VORBIS", format="OGG") as writer:
        for _ in range(seconds):
            writer.write(tone(1.0, 48_000))
    return file.getvalue()


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_crafted_pages_whose_checksums_hold_give_a_sound_or_an_input_error(
    spots: list[tuple[float, int]], limits: SoundSection
) -> None:
    data = bytearray(encode(tone(0.4, 16_000), 16_000, "OGG", "VORBIS"))
    for share, value in spots:
        data[min(int(share * len(data)), len(data) - 1)] = value
    try:
        waveform = decode(with_checksums(data), limits).waveform
    except InputError:
        waveform = np.zeros(0, np.float32)
    assert np.isfinite(waveform).all()


def with_checksums(data: bytearray) -> bytes:
    """The file with every page's checksum made to fit again."""
    starts = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    pages = [bytes(data[start:end]) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return bytes(data[: starts[0]] if starts else data) + b"".join(
        page[:22] + ogg_checksum(page).to_bytes(4, "little") + page[26:] for page in pages
    )
