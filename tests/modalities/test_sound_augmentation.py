"""What augmentation does to a recording is what it says, and no more."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sound_kit import encode

from ecosight.config import Config, SoundSection
from ecosight.errors import InvalidInput
from ecosight.plugins import load_plugin
from modalities.sound.augmentation import SoundMedium, pitch_shift, time_stretch
from modalities.sound.augmentation.levels import active_power, decibels
from modalities.sound.augmentation.medium import Clip
from modalities.sound.decoding import decode

Samples = NDArray[np.float32]
TECHNIQUES = (
    "combined",
    "noise_light",
    "noise_medium",
    "pitch_down",
    "pitch_up",
    "spec_mask",
    "time_shift",
    "time_stretch_fast",
    "time_stretch_slow",
    "volume_down",
    "volume_up",
)
MEDIUM = SoundMedium(Config())


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(hertz: float, rate: int, seconds: float = 2.0, level: float = 0.3) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def peak_hertz(samples: NDArray[np.floating], rate: int) -> float:
    size = 8 * len(samples)
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))) * rate / size)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize(("semitones", "expected"), [(2.0, 493.88), (-2.0, 392.0), (0.5, 452.89)])
def test_a_tone_is_shifted_by_just_so_many_semitones(rate: int, semitones: float, expected: float) -> None:
    shifted = pitch_shift(sine(440, rate), rate, semitones)
    assert peak_hertz(shifted, rate) == pytest.approx(expected, rel=0.001)
    assert len(shifted) == 2 * rate


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_another_speed_keeps_the_pitch_and_changes_the_length(rate: int, speed: float) -> None:
    stretched = time_stretch(sine(440, rate), rate, speed)
    assert peak_hertz(stretched, rate) == pytest.approx(440, rel=0.001)
    assert len(stretched) == round(2 * rate / speed)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_a_tone_stays_a_clean_tone_at_its_level(speed: float) -> None:
    tone = sine(440, 16_000, 3)
    made = time_stretch(tone, 16_000, speed)[4000:-4000]
    power = np.abs(np.fft.rfft(made * np.blackman(len(made)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(made), 1 / 16_000) - 440) < 30
    assert decibels(power[near].sum() / power[~near].sum()) > 80  # librosa 0.11, same tone, slower: 42
    assert made.std() == pytest.approx(tone.std(), rel=0.01)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_attacks_stay_sharp_and_come_when_they_should(speed: float) -> None:
    rate = 44_100
    strike = rng().normal(size=600) * np.exp(-np.arange(600) / 60)
    places = np.arange(rate // 4, 3 * rate - rate // 4, rate // 4)
    signal = np.zeros(3 * rate)
    for place in places:
        signal[place : place + 600] += 0.2 * strike
    made = time_stretch(signal, rate, speed)
    near = sum(np.square(made[int(p / speed) - 60 : int(p / speed) + 660]).sum() for p in places)
    assert near / np.square(made).sum() > 0.95  # librosa 0.11: 0.58


def test_two_tones_keep_their_interval() -> None:
    both = sine(440, 16_000) + sine(1000, 16_000)
    made = pitch_shift(both, 16_000, 2)
    low, high = (made_at(made, hertz * 2 ** (2 / 12)) for hertz in (440, 1000))
    assert low == pytest.approx(high, rel=0.05)


def made_at(samples: NDArray[np.floating], hertz: float) -> float:
    """Amplitude of a partial."""
    window = np.hanning(len(samples))
    carrier = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 16_000)
    return float(2 * abs((samples * window * carrier).sum()) / window.sum())


sounds = st.builds(
    lambda seed, length, level, padding: np.concatenate(
        [np.zeros(padding), level * rng(seed).uniform(-1, 1, length) * np.abs(np.sin(np.arange(length) / 300))]
    ).astype(np.float32),
    st.integers(0, 2**32),
    st.integers(1, 9_000),
    st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
    st.sampled_from([0, 3_000]),
)


@settings(max_examples=15)
@given(samples=sounds, rate=st.sampled_from([8_000, 16_000, 44_100]), seed=st.integers(0, 2**128 - 1))
@pytest.mark.parametrize("name", TECHNIQUES)
def test_whatever_comes_in_nothing_clips_and_the_loudness_stays_near(
    name: str, samples: Samples, rate: int, seed: int
) -> None:
    before = samples.copy()
    technique = load_plugin("ecosight.augmentations", name)
    made, _ = MEDIUM.apply(technique, Clip(samples=samples, rate=rate), rng(seed))
    assert (samples == before).all()  # the caller's samples are his own
    assert made.samples.dtype == np.float32
    assert np.isfinite(made.samples).all()
    assert np.abs(made.samples).max() <= 1.0
    least = round(SoundSection().min_seconds * rate) + 1
    assert max(least, 0.9 * len(samples)) - 1 <= len(made.samples) <= max(least, len(samples) / 0.9) + 1
    loudness, was = active_power(made.samples, rate), active_power(samples, rate)
    if was > 0:
        assert -6.1 < decibels(loudness / was) < 6.1 or np.abs(made.samples).max() > 0.99
    again, _ = MEDIUM.apply(technique, Clip(samples=samples, rate=rate), rng(seed))
    assert (made.samples == again.samples).all()


@pytest.mark.parametrize("name", TECHNIQUES)
def test_what_it_makes_is_still_a_recording_that_is_read(name: str, samples: list[bytes]) -> None:
    technique = load_plugin("ecosight.augmentations", name)
    for number, data in enumerate(samples):
        made, told = MEDIUM.apply(technique, MEDIUM.read(data), rng(number))
        decode(MEDIUM.write(made, "x"), SoundSection())
        assert told


def test_every_technique_is_a_plug_in_with_the_plain_signature() -> None:
    for name in TECHNIQUES:
        made = load_plugin("ecosight.augmentations", name)(sine(440, 16_000), 16_000, rng())
        assert made.ndim == 1
        assert not np.array_equal(made, sine(440, 16_000))
    for slot in SoundMedium.defaults:
        assert set(slot.split("/")) <= set(TECHNIQUES)


@pytest.mark.parametrize(
    ("name", "parameter", "lowest", "highest"),
    [
        ("pitch_up", "semitones", 0.5, 2),
        ("pitch_down", "semitones", -2, -0.5),
        ("time_stretch_fast", "speed", 1.02, 1.1),
        ("time_stretch_slow", "speed", 0.9, 0.98),
        ("volume_up", "factor", 1.05, 1.2),
        ("volume_down", "factor", 0.8, 0.95),
        ("noise_light", "snr_db", 20, 30),
        ("noise_medium", "snr_db", 10, 20),
    ],
)
def test_it_draws_what_its_name_says(name: str, parameter: str, lowest: float, highest: float) -> None:
    technique = load_plugin("ecosight.augmentations", name)
    drawn = [technique.traced(sine(440, 8_000, 0.1), 8_000, rng(seed))[1][parameter] for seed in range(50)]
    assert lowest <= min(drawn)
    assert max(drawn) <= highest
    assert max(drawn) - min(drawn) > 0.7 * (highest - lowest)


@pytest.mark.parametrize("peak", [1.0, 0.97, 0.9, 0.5, 1.1, 4.0])
@pytest.mark.parametrize("name", ["volume_up", "volume_down"])
def test_the_volume_differs_by_the_factor_that_is_told_however_loud_the_recording_is(name: str, peak: float) -> None:
    clip = Clip(samples=(sine(440, 16_000) * (peak / 0.3)).astype(np.float32), rate=16_000)
    drawn = []
    for seed in range(30):
        made, told = MEDIUM.apply(load_plugin("ecosight.augmentations", name), clip, rng(seed))
        assert np.abs(made.samples - told["factor"] * told.get("scaled_by", 1) * clip.samples).max() < 2e-4 * peak
        assert np.abs(made.samples).max() <= 1
        drawn.append(told["factor"])
    assert len(set(drawn)) > 20  # no draw is undone
    if peak <= 1:
        assert all(0.8 <= factor <= 0.95 or 1.05 <= factor <= 1.2 for factor in drawn)
    if name == "volume_up" and peak < 0.8:
        assert min(drawn) >= 1.05


def test_what_is_made_quieter_to_fit_says_so() -> None:
    loud = Clip(samples=(sine(440, 16_000) / 0.3).astype(np.float32), rate=16_000)
    _, told = MEDIUM.apply(load_plugin("ecosight.augmentations", "noise_medium"), loud, rng())
    assert 0.5 < told["scaled_by"] < 0.99
    quiet = Clip(samples=sine(440, 16_000), rate=16_000)
    assert "scaled_by" not in MEDIUM.apply(load_plugin("ecosight.augmentations", "noise_medium"), quiet, rng())[1]


def test_a_shift_in_time_loses_nothing() -> None:
    clip = np.concatenate([np.zeros(8000), sine(440, 16_000, 0.5), np.zeros(8000)]).astype(np.float32)
    for seed in range(20):
        made, told = load_plugin("ecosight.augmentations", "time_shift").traced(clip, 16_000, rng(seed))
        assert len(made) == len(clip)
        # 0.5 s of 1.5 s sound, and the shift is up to half of the length: perhaps around the end, never out of it.
        assert np.square(made).sum() == pytest.approx(np.square(clip).sum(), rel=1e-4)
        assert abs(told["shift_s"]) <= 0.75


def test_a_wav_file_keeps_its_samples_and_its_rate_and_says_what_it_is() -> None:
    data = encode(rng().uniform(-1, 1, 5_000), 22_050)
    clip = MEDIUM.read(data)
    written = MEDIUM.write(clip, "parent=abc variant=original")
    assert written == MEDIUM.write(clip, "parent=abc variant=original")
    assert soundfile.info(io.BytesIO(written)).samplerate == 22_050
    assert (MEDIUM.read(written).samples == clip.samples).all()
    assert MEDIUM.note_in(written) == "parent=abc variant=original"
    assert MEDIUM.note_in(data) is None
    assert MEDIUM.note_in(b"RIFF ecosight-augmented but broken") is None


def test_two_channels_become_one_and_marks_are_refused() -> None:
    both = np.stack([sine(440, 8_000), np.zeros(16_000)], axis=1)
    assert np.abs(MEDIUM.read(encode(both, 8_000)).samples).max() == pytest.approx(0.15, abs=0.001)
    with pytest.raises(InvalidInput, match="no boxes"):
        MEDIUM.read(encode(both, 8_000), [{"box": [0, 0, 1, 1]}])


@pytest.mark.parametrize("bad", [np.array([np.nan]), np.zeros((2, 2)), np.zeros(3, int), 5])
def test_a_technique_that_gives_no_samples_is_named(bad: object) -> None:
    def broken(samples: Samples, rate: int, rng: np.random.Generator) -> object:
        return bad

    with pytest.raises(InvalidInput, match="broken"):
        MEDIUM.apply(broken, Clip(samples=sine(440, 8_000), rate=8_000), rng())


def test_a_speed_out_of_bounds_is_refused() -> None:
    with pytest.raises(InvalidInput, match="between"):
        time_stretch(sine(440, 8_000), 8_000, 3)


def test_real_recordings_keep_their_rate_length_and_loudness(audio_data: Path) -> None:
    folders = sorted((audio_data / "audio" / "esc10" / "dev").iterdir())
    clips = [sorted(folder.glob("*.ogg"))[3].read_bytes() for folder in folders if folder.is_dir()]
    for data in clips:
        clip = MEDIUM.read(data)
        for name in TECHNIQUES:
            made, _ = MEDIUM.apply(load_plugin("ecosight.augmentations", name), clip, rng(4))
            decode(MEDIUM.write(made, "x"), SoundSection())
            assert made.rate == clip.rate == 44_100
            change = decibels(active_power(made.samples, made.rate) / active_power(clip.samples, clip.rate))
            assert abs(change) < 6.1
