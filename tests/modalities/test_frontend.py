"""The plain front end is YAMNet's."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from sound_kit import tone

from modalities.sound.frontend import hann_window, log_mel, mel_matrix, padded, patches
from modalities.sound.runtime import patch_count


def test_the_window_is_periodic() -> None:
    window = hann_window()
    assert window[0] == 0
    np.testing.assert_allclose(window[1:], window[:0:-1], atol=1e-15)
    assert window[200] == 1


def test_mel_bands_are_those_of_librosa() -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None)
    # librosa's triangles are straight in Hz, TensorFlow's in mel: alike, not equal.
    assert np.abs(mel_matrix() - expected.T).max() < 0.02


@pytest.mark.parametrize(
    ("samples", "expected"),
    [(1, 15_600), (15_600, 15_600), (15_601, 23_280), (23_280, 23_280), (23_281, 30_960), (80_000, 84_720)],
)
def test_clips_are_padded_to_whole_patches(samples: int, expected: int) -> None:
    clip = padded(np.ones(samples, np.float32))
    assert len(clip) == expected
    assert clip.sum() == samples
    assert patch_count(samples) == (expected - 15_600) // 7_680 + 1


def test_a_patch_depends_on_its_own_window_alone() -> None:
    clip = tone(3.0, 16_000)
    whole = patches(clip)
    for index in range(len(whole)):
        window = padded(clip)[7_680 * index : 7_680 * index + 15_600]
        np.testing.assert_allclose(log_mel(window), whole[index], atol=1e-9)


def test_it_is_what_the_saved_model_computes(audio_data: Path) -> None:
    import tensorflow as tf

    model = tf.saved_model.load(str(audio_data / "yamnet" / "saved_model"))
    clip = tone(2.0, 16_000)
    spectrogram = model(clip)[2].numpy()
    assert np.abs(log_mel(padded(clip)) - spectrogram).max() < 1e-3
