"""Noise and backgrounds reach the ratio that is asked for, and masks hide what they say."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sound_kit import encode

from ecosight.config import Config
from ecosight.errors import InputError, InvalidInput
from ecosight.plugins import load_plugin
from modalities.sound.augmentation import Background, SoundMedium, mix_at_snr, spec_augment
from modalities.sound.augmentation.levels import decibels
from modalities.sound.augmentation.medium import Clip

MEDIUM = SoundMedium(Config())


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(hertz: float, rate: int, seconds: float = 2.0, level: float = 0.3) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@given(snr_db=st.floats(-10, 30), lead=st.integers(0, 30_000), level=st.floats(0.01, 0.3))
def test_the_snr_is_reached_whatever_silence_is_around_the_call(snr_db: float, lead: int, level: float) -> None:
    rate, call = 16_000, sine(440, 16_000, 0.5, level)
    clip = np.concatenate([np.zeros(lead), call, np.zeros(16_000)])
    noise = rng(3).normal(0, 0.05, len(clip))
    added = mix_at_snr(clip, noise, rate, snr_db) - clip
    # Measured by what is known of this clip, not by the code that mixed it.
    reached = decibels(np.mean(np.square(call)) / np.mean(np.square(added)))
    assert reached == pytest.approx(snr_db, abs=0.5)


@pytest.mark.parametrize("name", ["noise_light", "noise_medium", "background"])
def test_the_snr_of_a_written_file_is_the_one_that_is_told(name: str) -> None:
    rate, call = 16_000, sine(440, 16_000, 0.5, 0.9)
    clip = np.concatenate([np.zeros(16_000), call, np.zeros(16_000)]).astype(np.float32)
    station = encode(rng(5).normal(0, 0.02, 30_000), 22_050)
    technique = Background([station]) if name == "background" else load_plugin("ecosight.augmentations", name)
    for seed in range(10):
        made, told = MEDIUM.apply(technique, Clip(samples=clip, rate=rate), rng(seed))
        written = MEDIUM.read(MEDIUM.write(made, "x")).samples.astype(np.float64)
        gain = (written @ clip) / (clip @ clip.astype(np.float64))  # full scale may have pressed both down
        noise = written - gain * clip
        assert decibels(gain**2 * np.mean(np.square(call)) / np.mean(np.square(noise))) == pytest.approx(
            told["snr_db"], abs=0.5
        )


def test_backgrounds_give_the_same_in_any_order_and_in_another_process() -> None:
    files = [encode(rng(n).normal(0, 0.02, 4_000 * n), 8_000) for n in (1, 2, 3)]
    one, other = Background(files), Background(files[::-1] + files[:1])
    assert repr(one) == repr(other)
    clip = sine(440, 16_000)
    made = [each(clip, 16_000, rng(9)) for each in (one, other, pickle.loads(pickle.dumps(one)))]
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()
    assert repr(one) != repr(Background(files[:2])) != repr(Background(files[:2], lowest_snr_db=6))


def test_bad_backgrounds_are_told() -> None:
    with pytest.raises(InvalidInput, match="no background"):
        Background([])
    with pytest.raises(InvalidInput, match="no range"):
        Background([b"x"], lowest_snr_db=20, highest_snr_db=5)
    with pytest.raises(InvalidInput, match="is silent"):
        Background([encode(np.zeros(8_000), 8_000)])(sine(440, 8_000), 8_000, rng())
    with pytest.raises(InputError):
        Background([b"no sound"])(sine(440, 8_000), 8_000, rng())


@given(seed=st.integers(0, 2**32), frames=st.integers(1, 120), bands=st.integers(1, 64))
def test_spec_augment_hides_at_most_what_it_may(seed: int, frames: int, bands: int) -> None:
    spectrogram = rng(seed).normal(size=(3, frames, bands))
    before = spectrogram.copy()
    masked = spec_augment(spectrogram, rng(seed))
    assert (spectrogram == before).all()
    for each, was in zip(masked, before, strict=True):
        changed = each != was
        assert np.allclose(each[changed], was.mean())
        whole_bands, whole_frames = changed.all(axis=0), changed.all(axis=1)
        assert (changed == (whole_bands[None, :] | whole_frames[:, None])).all()
        if not (whole_bands.all() or whole_frames.all()):
            assert whole_bands.sum() <= 16
            assert whole_frames.sum() <= min(24, 2 * int(0.2 * frames))


def test_spec_augment_takes_stacks_and_refuses_lines() -> None:
    assert spec_augment(np.zeros((0, 96, 64), np.float32), rng()).shape == (0, 96, 64)
    before = rng().normal(size=(4, 96, 64)).astype(np.float32)
    masked = spec_augment(before, rng(2))
    assert masked.dtype == np.float32
    hidden = [np.isclose(masked[n], before[n].mean()) for n in range(4)]
    assert len({each.tobytes() for each in hidden}) == 4
    turned = spec_augment(before.transpose(0, 2, 1), rng(2))  # also where memory lies otherwise
    assert (turned != before.transpose(0, 2, 1)).any()
    with pytest.raises(InvalidInput):
        spec_augment(np.zeros(10), rng())


def test_a_mask_on_the_sound_is_seen_in_its_spectrum_and_spares_short_calls() -> None:
    rate = 16_000
    clip = np.concatenate([np.zeros(rate), rng().normal(0, 0.1, rate // 5), np.zeros(2 * rate)]).astype(np.float32)
    technique = load_plugin("ecosight.augmentations", "spec_mask")
    for seed in range(20):
        made, told = technique.traced(clip, rate, rng(seed))
        assert np.square(made).sum() > 0.4 * np.square(clip).sum()
        spectrum = np.abs(np.fft.rfft(made)) ** 2
        hertz = np.fft.rfftfreq(len(made), 1 / rate)
        for low, high in told["bands_hz"]:
            inside = (hertz > low + 40) & (hertz < high - 40)
            if inside.any():
                assert spectrum[inside].mean() < 0.1 * spectrum.mean()
