"""Copies of a sound have the fingerprint of the original; other sounds do not, however alike they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from sound_kit import encode, tone

from ecosight.config import SoundSection
from ecosight.errors import UnreadableMedia, UnsupportedMedia
from ecosight.ports import Fingerprint
from ecosight.seeds import generator
from ecosight.testing import FingerprinterConformance
from modalities.sound import landmarks
from modalities.sound.fingerprint import SoundFingerprinter
from modalities.sound.synthesis import LABELS, make_clip, make_station

Wave = NDArray[np.float32]
RATE = 22_050


@pytest.fixture(scope="module")
def fingerprinter() -> SoundFingerprinter:
    return SoundFingerprinter(SoundSection())


def shift_of(one: Fingerprint, other: Fingerprint) -> int:
    """The shift that most of the shared words have, as the search finds it."""
    _, first, second = np.intersect1d(one.words, other.words, return_indices=True)
    shifts = one.places[first] - other.places[second]
    near = np.abs(shifts[:, None] - shifts) <= 2
    return int(shifts[near.sum(axis=0).argmax()]) if len(shifts) else 0


def similarity(fingerprinter: SoundFingerprinter, one: bytes, other: bytes) -> float:
    first, second = fingerprinter.fingerprint(one), fingerprinter.fingerprint(other)
    return fingerprinter.compare(first.trace, second.trace, shift_of(first, second))


def noisy(wave: Wave, snr_db: float) -> Wave:
    noise = np.random.default_rng(5).normal(0, 1, len(wave)) * np.sqrt(np.mean(wave**2) / 10 ** (snr_db / 10))
    return np.asarray(wave + noise, np.float32)


COPIES: dict[str, Callable[[Wave, int], bytes]] = {
    "6 dB louder, clipped": lambda wave, rate: encode(np.clip(2 * wave, -1, 1), rate),
    "6 dB softer": lambda wave, rate: encode(wave / 2, rate),
    "upside down": lambda wave, rate: encode(-wave, rate),
    "mp3": lambda wave, rate: encode(wave, rate, "MP3", "MPEG_LAYER_III"),
    "ogg": lambda wave, rate: encode(wave, rate, "OGG", "VORBIS"),
    "stereo": lambda wave, rate: encode(np.stack([wave, wave], axis=1), rate),
    "first tenth cut": lambda wave, rate: encode(wave[len(wave) // 10 :], rate),
    "last tenth cut": lambda wave, rate: encode(wave[: -len(wave) // 10], rate),
    "a second of silence before and behind": lambda wave, rate: encode(np.pad(wave, rate), rate),
    "noise at 20 dB": lambda wave, rate: encode(noisy(wave, 20), rate),
}


@pytest.fixture(scope="module")
def waves() -> list[tuple[Wave, int]]:
    station = make_station("s", generator(9, "station"))
    made = [make_clip(label, generator(9, label), station) for label in LABELS[:3]]
    return [soundfile.read(io.BytesIO(data), dtype="float32") for data in made]


class TestSounds(FingerprinterConformance):
    @pytest.fixture
    def samples(self, waves: list[tuple[Wave, int]]) -> list[bytes]:
        return [encode(wave, rate) for wave, rate in waves]

    @pytest.fixture
    def copies(self, waves: list[tuple[Wave, int]]) -> list[bytes]:
        return [COPIES["first tenth cut"](wave, rate) for wave, rate in waves]


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_of_a_real_clip_is_known_whatever_was_done_to_it(
    change: str, fingerprinter: SoundFingerprinter, audio_data: Path
) -> None:
    """Engines, rain and waves, which are all noise; a clock; a sneeze in digital silence; a spoken digit."""
    clips = [
        next((audio_data / "audio" / "esc10" / "dev" / label).glob("*.ogg"))
        for label in ("chainsaw", "rain", "sea_waves", "clock_tick", "person_sneeze")
    ]
    for path in [*clips, audio_data / "audio" / "fsdd" / "dev" / "7" / "7_jackson_20.wav"]:
        wave, rate = soundfile.read(path, dtype="float32")
        found = similarity(fingerprinter, path.read_bytes(), COPIES[change](wave, rate))
        assert found >= fingerprinter.threshold, (path.name, found)


def test_the_same_word_of_the_same_speaker_is_no_copy(fingerprinter: SoundFingerprinter, audio_data: Path) -> None:
    said = sorted((audio_data / "audio" / "fsdd" / "dev" / "3").glob("3_theo_*.wav"))[:12]
    prints = [fingerprinter.fingerprint(path.read_bytes()) for path in said]
    for number, one in enumerate(prints):
        for other in prints[:number]:
            assert fingerprinter.compare(one.trace, other.trace, shift_of(one, other)) < fingerprinter.threshold


def test_new_events_at_one_station_are_no_copies(fingerprinter: SoundFingerprinter) -> None:
    station = make_station("s", generator(3, "station"))
    for label in ("engine_idling", "background"):
        clips = [make_clip(label, generator(3, label, number), station) for number in range(4)]
        for number, clip in enumerate(clips):
            assert all(similarity(fingerprinter, clip, other) < fingerprinter.threshold for other in clips[:number])


def test_a_wav_and_its_flac_have_one_contents(fingerprinter: SoundFingerprinter) -> None:
    wave = (tone(1.5, RATE) * 2**15).astype(np.int16)  # libsndfile rounds fractions otherwise for each
    files = [encode(wave, RATE, "WAV", "PCM_16"), encode(wave, RATE, "FLAC", "PCM_16")]
    assert len({fingerprinter.fingerprint(data).contents for data in files}) == 1
    changed = wave.copy()
    changed[1000] += 1
    assert fingerprinter.fingerprint(encode(changed, RATE)).contents != fingerprinter.fingerprint(files[0]).contents


def test_an_excerpt_is_found_in_a_long_recording(fingerprinter: SoundFingerprinter) -> None:
    rng = np.random.default_rng(2)
    long = np.concatenate([rng.normal(0, rng.uniform(0.02, 0.2), RATE // 2) for _ in range(120)]).astype(np.float32)
    excerpt = long[31 * RATE : 35 * RATE]
    one, other = (fingerprinter.fingerprint(encode(wave, RATE)) for wave in (long, excerpt))
    assert shift_of(one, other) == pytest.approx(31 / 0.008, abs=2)
    assert fingerprinter.compare(one.trace, other.trace, shift_of(one, other)) > 0.8


def test_a_fingerprint_depends_on_nothing_but_the_bytes(fingerprinter: SoundFingerprinter) -> None:
    data = encode(tone(2.0, RATE), RATE)
    first, second = fingerprinter.fingerprint(data), SoundFingerprinter(SoundSection()).fingerprint(data)
    assert first.trace == second.trace
    assert first.contents == second.contents
    np.testing.assert_array_equal(first.words, second.words)
    np.testing.assert_array_equal(first.places, second.places)


def test_the_digest_changes_with_a_parameter(
    fingerprinter: SoundFingerprinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprinter.digest
    assert SoundFingerprinter(SoundSection(max_seconds=10)).digest == before  # a limit changes no fingerprint
    monkeypatch.setattr(landmarks, "PARAMETERS", (*landmarks.PARAMETERS[:-1], 50.0))
    assert SoundFingerprinter(SoundSection()).digest != before


def test_the_shortest_clips_and_a_single_click_have_fingerprints(fingerprinter: SoundFingerprinter) -> None:
    click = np.zeros(RATE, np.float32)
    click[5000] = 0.9
    for wave in (tone(0.06, RATE), click, np.ones(2 * RATE, np.float32) * 0.5):
        print_ = fingerprinter.fingerprint(encode(wave, RATE))
        assert len(print_.words) == len(print_.places)
        assert 0 <= fingerprinter.compare(print_.trace, print_.trace, 0) <= 1


@pytest.mark.parametrize(("data", "error"), [(b"", UnreadableMedia), (b"no sound", UnsupportedMedia)])
def test_what_is_no_sound_is_refused(data: bytes, error: type[Exception], fingerprinter: SoundFingerprinter) -> None:
    with pytest.raises(error):
        fingerprinter.fingerprint(data)
