"""What is wrong with a recording is found, and what is not wrong is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sound_kit import encode, tone

from ecosight.config import SoundSection
from ecosight.errors import InputError
from ecosight.ports import QualityMeter
from modalities.sound import SoundModality
from modalities.sound.quality import SoundQuality

RATE = 16_000


@pytest.fixture(scope="module")
def meter() -> QualityMeter:
    return SoundQuality(SoundSection())


def flags(meter: QualityMeter, samples: NDArray[np.floating], kind: str = "WAV", subtype: str = "PCM_16") -> set[str]:
    return set(meter.flags(meter.quality(encode(samples, RATE, kind, subtype))))


def call(seconds: float = 2.0, *, background: float = 0.002) -> NDArray[np.float64]:
    """An animal's call in the middle of a quiet background."""
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(1).normal(0, background, len(t))
    return 0.4 * np.sin(2 * np.pi * 700 * t) * ((t > 0.4 * seconds) & (t < 0.6 * seconds)) + noise


def test_a_clean_call_has_no_flag(meter: QualityMeter) -> None:
    assert flags(meter, call()) == set()


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_a_clipped_recording_is_known_even_after_it_was_made_softer(meter: QualityMeter, gain: float) -> None:
    assert "clipped" in flags(meter, gain * np.clip(4 * call(), -1, 1) * 0.999)


@pytest.mark.parametrize("hertz", [50.0, 440.0, 4000.0])
def test_a_full_tone_is_not_clipped(meter: QualityMeter, hertz: float) -> None:
    t = np.arange(RATE) / RATE
    assert "clipped" not in flags(meter, 0.999 * np.sin(2 * np.pi * hertz * t))


def test_padding_and_quiet_and_noise_are_told_apart(meter: QualityMeter) -> None:
    assert flags(meter, np.concatenate([0.3 * tone(0.3, RATE), np.zeros(5 * RATE)])) >= {"mostly silent"}
    assert flags(meter, 0.005 * call()) >= {"quiet"}
    assert flags(meter, np.random.default_rng(2).normal(0, 0.1, RATE)) == {"low snr"}


def test_a_call_that_the_recording_cuts_off_is_known(meter: QualityMeter) -> None:
    whole = call()
    assert flags(meter, whole[:RATE]) == {"cut off"}
    assert flags(meter, whole[RATE:]) == {"cut off"}


def test_figures_are_finite_the_same_each_time_and_named(meter: QualityMeter) -> None:
    for samples in (np.zeros(800), np.ones(800) * 0.5, call(0.05), np.zeros(1) + 0.1):
        data = encode(samples, RATE)
        figures = meter.quality(data)
        assert set(figures) == set(meter.units)
        assert np.isfinite(list(figures.values())).all()
        assert figures == meter.quality(data)
        assert set(meter.flags(figures)) <= set(meter.rules)


def test_what_is_no_recording_is_refused(meter: QualityMeter) -> None:
    for junk in (b"", b"plain text", encode(call(), RATE)[:30]):
        with pytest.raises(InputError):
            meter.quality(junk)


def test_the_modality_offers_it_and_real_clips_are_measured(logmel: SoundModality, real_clips: list[bytes]) -> None:
    meter = logmel.quality_meter()
    told = [meter.flags(meter.quality(clip)) for clip in real_clips]
    assert len(told) == len(real_clips)
    assert sum(bool(each) for each in told) < len(told) / 2
    assert not any(", " in flag for flag in meter.rules)
