"""The runtime cuts clips into calls without changing what they mean, and stands on its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sound_kit import tone

from modalities.sound import SoundModality, runtime
from modalities.sound.runtime import PATCHES_PER_CALL, Runner, SoundModel, open_session, patch_count, session_runner


class Witness:
    """An engine whose embedding of a patch is the mean and the mean square of its window; it keeps the calls."""

    def __init__(self) -> None:
        self.patches: list[int] = []

    def __call__(self, inputs: Mapping[str, NDArray[Any]], output: str) -> NDArray[np.float32]:
        waveform, starts = inputs["waveform"], inputs["patch_start"]
        assert len(waveform) % 160 == 0
        windows = np.stack([waveform[160 * start : 160 * start + 15_600] for start in starts]).astype(np.float64)
        assert windows.shape == (len(starts), 15_600)
        self.patches.append(len(starts))
        embeddings = np.stack([windows.mean(axis=1), (windows**2).mean(axis=1), np.ones(len(windows))], axis=1)
        return np.asarray(inputs["clip_weights"] @ embeddings + inputs["carried"], np.float32)


def plain(clip: NDArray[np.float32]) -> NDArray[np.float64]:
    count = patch_count(len(clip))
    whole = np.pad(clip.astype(np.float64), (0, 15_600 + 7_680 * (count - 1) - len(clip)))
    windows = np.stack([whole[7_680 * n : 7_680 * n + 15_600] for n in range(count)])
    return np.array([windows.mean(), (windows**2).mean(), 1.0])


@st.composite
def clips(draw: st.DrawFn) -> list[NDArray[np.float32]]:
    """Clips of any length with stretches of digital silence anywhere."""
    made = []
    for seed in range(draw(st.integers(1, 5))):
        clip = np.random.default_rng(seed).normal(size=draw(st.integers(1, 300_000))).astype(np.float32)
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.integers(0, len(clip)))
            clip[begin : begin + draw(st.integers(0, 200_000))] = 0
        made.append(clip)
    return made


@settings(deadline=None, max_examples=30)
@given(clips=clips())
def test_calls_add_up_to_the_mean_over_each_clip(clips: list[NDArray[np.float32]]) -> None:
    witness = Witness()
    found = Runner(witness, 3).run(clips, "clip_embeddings")
    np.testing.assert_allclose(found, np.stack([plain(clip) for clip in clips]), atol=2e-5)
    assert max(witness.patches) <= PATCHES_PER_CALL


def test_clips_side_by_side_keep_their_order() -> None:
    given = [tone(seconds, 16_000) for seconds in (0.2, 4.0, 1.0, 9.0, 0.5, 2.5, 0.1)]
    runner = Runner(Witness(), 3, threads=3)
    expected = np.stack([plain(clip) for clip in given])
    np.testing.assert_allclose(runner.run(given, "clip_embeddings"), expected, atol=1e-5)
    np.testing.assert_allclose(runner.run(given[:2], "clip_embeddings"), expected[:2], atol=1e-5)


def test_silent_windows_are_computed_once_for_all() -> None:
    witness = Witness()
    runner = Runner(witness, 3)
    clip = np.zeros(160_000, np.float32)
    clip[:8_000] = 0.5
    found = runner.run([clip] * 3, "clip_embeddings")
    assert witness.patches == [1, 6]  # the silence, once; then two windows of each clip that hold the sound
    np.testing.assert_allclose(found, [plain(clip)] * 3, atol=1e-5)


def test_a_silent_clip_is_answered() -> None:
    found = Runner(Witness(), 3).run([np.zeros(40_000, np.float32)], "clip_embeddings")
    np.testing.assert_allclose(found, [[0, 0, 1]], atol=1e-6)


@pytest.fixture(scope="module")
def model(logmel: SoundModality) -> SoundModel:
    """The runtime's face over a graph that ends at the embeddings."""
    runner = session_runner(open_session(logmel.embedder().graph))

    class Embeddings(Runner):
        def __init__(self) -> None:
            pass

        def run(self, clips: Any, output: str) -> NDArray[np.float32]:
            return runner.run(clips, "clip_embeddings")

    return SoundModel(Embeddings(), {"labels": ["a", "b"]})


def test_rows_may_be_filled_up_with_nan(model: SoundModel) -> None:
    short, long = tone(0.5, 16_000), tone(1.5, 16_000)
    rows = np.full((2, len(long)), np.nan, np.float32)
    rows[0, : len(short)], rows[1] = short, long
    np.testing.assert_array_equal(model.predict_batch(rows), model.predict_batch([short, long]))


def test_other_rates_are_resampled(model: SoundModel) -> None:
    found = model.predict_batch([tone(2.0, 44_100)], sample_rate=44_100)
    expected = model.predict_batch([tone(2.0, 16_000)])
    assert np.abs(found[:, :40] - expected[:, :40]).max() < 1.5  # the noise differs, the tone does not
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize(
    "clip", [np.zeros(0), np.zeros((2, 2)), [1.0, np.inf], [np.nan, 1.0], [np.nan], np.float32(1.0)]
)
def test_a_clip_that_is_none_is_a_value_error(model: SoundModel, clip: Any) -> None:
    with pytest.raises(ValueError, match="clip 0"):
        model.predict_batch([clip])


def test_it_imports_three_packages_and_nothing_of_the_project() -> None:
    nodes = list(ast.walk(ast.parse(Path(runtime.__file__).read_text("utf-8"))))
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "soxr"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("tensorflow", "keras", "onnx", "onnxruntime", "soundfile", "scipy")
    code = f"import modalities.sound, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
