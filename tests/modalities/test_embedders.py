"""Embedders agree with their references, whatever way the sound takes through the graph."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_kit import encode, tone

from ecosight.config import Config, SoundSection
from ecosight.errors import InputError, NotFound, Refused, Unavailable
from ecosight.plugins import plugin_names
from ecosight.ports import Embedder
from ecosight.testing import EmbedderConformance
from modalities.sound import SoundModality
from modalities.sound.decoding import decode
from modalities.sound.embedders.yamnet import YamnetEmbedder, saved_model_digest


def config(root: Path, **sound: Any) -> Config:
    return Config(project={"root": root}, sound=sound)  # type: ignore[arg-type]


class TestLogMel(EmbedderConformance):
    @pytest.fixture
    def embedder(self, logmel: SoundModality) -> Embedder:
        return logmel.embedder()


class TestYamnet(EmbedderConformance):
    @pytest.fixture
    def embedder(self, yamnet: SoundModality) -> Embedder:
        return yamnet.embedder()


class TestQuickYamnet(EmbedderConformance):
    @pytest.fixture
    def embedder(self, quick_yamnet: SoundModality) -> Embedder:
        return quick_yamnet.embedder()


def test_embedders_are_found_by_name(tmp_path: Path) -> None:
    assert {"logmel", "yamnet"} <= set(plugin_names("ecosight.embedders"))
    with pytest.raises(NotFound) as caught:
        SoundModality(config(tmp_path, embedder="yamnett")).embedder()
    assert "yamnet" in caught.value.hint


@pytest.mark.parametrize("name", ["logmel", "yamnet"])
def test_the_graph_gives_what_the_reference_gives(
    name: str, real_clips: list[bytes], request: pytest.FixtureRequest
) -> None:
    embedder = request.getfixturevalue(name).embedder()
    found = embedder.embed(real_clips)
    expected = np.stack([embedder.reference(decode(data, SoundSection()).waveform) for data in real_clips])
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_digest_is_the_same_in_another_process(logmel: SoundModality) -> None:
    code = (
        "from ecosight.config import Config\nfrom modalities.sound import SoundModality\n"
        "print(SoundModality(Config()).embedder().digest)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == logmel.embedder().digest


def test_a_file_that_cannot_be_read_fails_the_call(logmel: SoundModality, samples: list[bytes]) -> None:
    with pytest.raises(InputError):
        logmel.embedder().embed([*samples, samples[0][:100]])


# -- YAMNet in fewer bits ------------------------------------------------------------------------------


def computes_in_bfloat16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_the_quick_way_is_bfloat16_where_the_processor_has_it(
    yamnet: SoundModality, quick_yamnet: SoundModality, real_clips: list[bytes]
) -> None:
    exact, quick = yamnet.embedder(), quick_yamnet.embedder()
    assert isinstance(exact, YamnetEmbedder)
    assert isinstance(quick, YamnetEmbedder)
    assert (exact.arithmetic, quick.arithmetic) == ("float32", "bfloat16" if computes_in_bfloat16() else "float32")
    assert (exact.digest == quick.digest) == (quick.arithmetic == "float32")  # else two caches, never mixed
    near, expected = quick.embed(real_clips), exact.embed(real_clips)
    cosine = (near * expected).sum(axis=1) / np.linalg.norm(near, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.999


def test_bfloat16_that_was_asked_for_and_cannot_be_had_is_no_silent_float32(
    yamnet_root: Path, audio_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modalities.sound.engines.openvino.find_spec", lambda name: None)
    sound = {"yamnet_model": str(audio_data / "yamnet" / "saved_model")}
    wanted = YamnetEmbedder(config(yamnet_root, embedding_precision="bfloat16", **sound))
    with pytest.raises(Unavailable, match="OpenVINO is not installed"):
        _ = wanted.digest
    assert YamnetEmbedder(config(yamnet_root, **sound)).arithmetic == "float32"


# -- YAMNet: where it comes from -----------------------------------------------------------------------


def test_a_second_process_needs_no_tensorflow(quick_yamnet: SoundModality, audio_data: Path) -> None:
    embedder = quick_yamnet.embedder()
    root = quick_yamnet._config.project.root
    code = (
        "import sys, json\nfrom ecosight.config import Config\nfrom modalities.sound import SoundModality\n"
        f"sound = dict(embedder='yamnet', yamnet_model={str(audio_data / 'yamnet' / 'saved_model')!r})\n"
        f"embedder = SoundModality(Config(project=dict(root={str(root)!r}), sound=sound)).embedder()\n"
        "print(json.dumps([embedder.digest, 'tensorflow' in sys.modules]))"
    )
    assert embedder.digest
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [embedder.digest, False]


def test_a_folder_without_yamnet_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        _ = YamnetEmbedder(config(tmp_path, yamnet_model=str(tmp_path / "nowhere"))).digest
    for word in ("sound.yamnet_model", "hub.resolve", "TFHUB_CACHE_DIR", "logmel"):
        assert word in caught.value.hint


def test_a_handle_that_cannot_be_downloaded_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    embedder = YamnetEmbedder(config(tmp_path, yamnet_model="http://127.0.0.1:9/google/yamnet/1"))
    with pytest.raises(Unavailable, match=r"cannot be downloaded \(<urlopen error"):
        embedder.embed([encode(tone(1, 16_000), 16_000)])


def test_what_tensorflow_hub_has_in_its_cache_is_used_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = "https://tfhub.dev/google/yamnet/1"
    write_network(tmp_path / "hub" / hashlib.sha1(handle.encode()).hexdigest(), "fused")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    embedder = YamnetEmbedder(config(tmp_path, yamnet_model=handle))
    assert embedder.embed([encode(tone(1, 16_000), 16_000)]).shape == (1, 1024)
    shutil.rmtree(tmp_path / "hub")
    assert YamnetEmbedder(config(tmp_path, yamnet_model=handle)).digest == embedder.digest


def test_a_damaged_saved_model_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(Unavailable, match="cannot be loaded"):
        _ = YamnetEmbedder(config(tmp_path, yamnet_model=str(tmp_path))).digest


# -- YAMNet: other shapes of the same network ----------------------------------------------------------


def write_network(folder: Path, style: str) -> None:
    """A small network of YAMNet's form, as a SavedModel.

    ``fused``: batch normalisation as one operation, as TensorFlow Hub's YAMNet has it; ``arithmetic``: as
    multiplications and additions, and a tuple of outputs; ``odd``: with an activation that YAMNet has not.
    """
    import tensorflow as tf

    rng = np.random.default_rng(4)
    mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125.0, 7500.0)

    def weights(*shape: int) -> Any:
        return tf.Variable(rng.normal(0, 0.4, shape).astype(np.float32))

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernels = [weights(3, 3, 1, 6), weights(3, 3, 6, 1), weights(1, 1, 6, 1024)]
            self.norms = [
                [tf.Variable(rng.uniform(0.5, 2, size).astype(np.float32)) for _ in range(4)] for size in (6, 6, 1024)
            ]

        def normal(self, x: Any, index: int) -> Any:
            gamma, beta, mean, variance = self.norms[index]
            if style == "fused":
                x = tf.raw_ops.FusedBatchNormV3(
                    x=x, scale=gamma, offset=beta, mean=mean, variance=variance, epsilon=1e-4, is_training=False
                ).y
            else:
                x = tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-4)
            return tf.nn.elu(x) if style == "odd" else tf.nn.relu(x)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, waveform: Any) -> Any:
            size = tf.shape(waveform)[0]
            hops = tf.cast(tf.math.ceil(tf.maximum(0, size - 15_600) / 7_680), tf.int32)
            waveform = tf.pad(waveform, [[0, 15_600 + 7_680 * hops - size]])
            magnitude = tf.abs(tf.signal.stft(waveform, 400, 160, 512))
            log_mel = tf.math.log(tf.matmul(magnitude, mel) + 0.001)
            x = tf.signal.frame(log_mel, 96, 48, axis=0)[..., None]
            x = self.normal(tf.nn.conv2d(x, self.kernels[0], 2, "SAME"), 0)
            x = self.normal(tf.nn.depthwise_conv2d(x, self.kernels[1], [1, 2, 2, 1], "SAME"), 1)
            x = self.normal(tf.nn.conv2d(x, self.kernels[2], 1, "SAME"), 2)
            embeddings = tf.reduce_mean(x, [1, 2])
            scores = embeddings[:, :521]
            if style == "fused":
                return {"predictions": scores, "embeddings": embeddings, "log_mel_spectrogram": log_mel}
            return scores, embeddings, log_mel

    tf.saved_model.save(Network(), str(folder))


@pytest.mark.parametrize("style", ["fused", "arithmetic"])
def test_batch_normalisation_is_folded_into_the_convolutions(style: str, tmp_path: Path, samples: list[bytes]) -> None:
    write_network(tmp_path / "model", style)
    model = str(tmp_path / "model")
    embedder = YamnetEmbedder(config(tmp_path, yamnet_model=model, embedding_precision="float32"))
    found = embedder.embed(samples[:2])
    expected = np.stack([embedder.reference(decode(data, SoundSection()).waveform) for data in samples[:2]])
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_another_network_is_refused_not_approximated(tmp_path: Path) -> None:
    write_network(tmp_path / "model", "odd")
    with pytest.raises(Refused, match="Elu"):
        _ = YamnetEmbedder(config(tmp_path, yamnet_model=str(tmp_path / "model"))).digest


def test_other_weights_have_another_digest(tmp_path: Path) -> None:
    write_network(tmp_path / "one", "fused")
    first = saved_model_digest(tmp_path / "one")
    variables = next((tmp_path / "one" / "variables").glob("*.data*"))
    variables.write_bytes(variables.read_bytes()[:-1] + b"\1")
    assert saved_model_digest(tmp_path / "one") != first
