"""What is registered is what answers: artifacts, engines, and who may stand in for whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.artifact import seal_artifact
from ecosight.config import Config
from ecosight.errors import EcosightError, IntegrityError, InvalidInput, NotFound, Refused, Unavailable
from ecosight.ports import Modality, Servable
from ecosight.testing import CompilingConformance, ModalityConformance, ServableConformance
from modalities.sound import SoundModality
from modalities.sound.engines import ENGINES
from modalities.sound.engines import openvino as openvino_engine

LABELS = ("calm", "dog", "engine", "shot")


def build(modality: SoundModality, examples: list[bytes], truth: list[int], folder: Path, labels: Any = LABELS) -> Any:
    """A head that tells its examples apart, compiled; returns the parity report."""
    import keras

    embeddings = modality.embedder().embed(examples)
    options = {"hidden_units": [32], "dropout": [0.1]}
    head = modality.build_head(embeddings.shape[1], len(labels), seed=3, options=options)
    head.get_layer("normalization").adapt(embeddings)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    head.compile(keras.optimizers.Adam(0.01), loss=loss)
    head.fit(embeddings, np.array(truth), epochs=30, batch_size=len(examples), verbose=0)
    return modality.compile_servable(
        head=head, temperature=1.5, labels=labels, examples=examples, folder=folder, facts={"seed": 3}
    )


@pytest.fixture(scope="session")
def artifact(logmel: SoundModality, samples: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    assert build(logmel, samples, [0, 1, 2, 3, 0, 1, 2], folder).passed
    return folder


@pytest.fixture(scope="session")
def real_artifact(yamnet: SoundModality, real_clips: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    truth = [*np.repeat(np.arange(10), 2), 10, 10, 10, 10]
    report = build(yamnet, real_clips, truth, folder, labels=[f"class {n}" for n in range(11)])
    assert report.samples == len(real_clips) == 24
    assert report.passed
    assert report.max_probability_error < 1e-4
    return folder


class TestSoundModality(ModalityConformance, CompilingConformance):
    @pytest.fixture
    def modality(self, logmel: SoundModality) -> Modality:
        return logmel


class TestDefault(ServableConformance):
    @pytest.fixture
    def servable(self, logmel: SoundModality, artifact: Path) -> Servable:
        return logmel.load_servable(artifact)


class TestOnYamnet(ServableConformance):
    @pytest.fixture
    def servable(self, yamnet: SoundModality, real_artifact: Path) -> Servable:
        return yamnet.load_servable(real_artifact)


@pytest.fixture(scope="module")
def fastest(yamnet: SoundModality, real_artifact: Path) -> Servable:
    return yamnet.load_servable(real_artifact, engine="fastest")


class TestFastestOnYamnet(ServableConformance):
    @pytest.fixture
    def servable(self, fastest: Servable) -> Servable:
        return fastest


# -- the artifact --------------------------------------------------------------------------------------


def test_the_artifact_holds_all_that_answering_needs(artifact: Path) -> None:
    names = {path.name for path in artifact.iterdir()}
    assert names == {
        "model.onnx", "runtime.py", "head.keras", "examples.npz", "parity.json", "servable.json",
    }  # fmt: skip
    description = json.loads((artifact / "servable.json").read_text("utf-8"))
    assert description["sample_rate_hz"] == 16_000
    assert description["input"]["parameters"] == {"sample_rate": 16_000}
    assert {each.split("==")[0] for each in description["requirements"]} == {"numpy", "onnxruntime", "soxr"}
    assert description["parity"] == json.loads((artifact / "parity.json").read_text("utf-8"))


def test_its_runtime_answers_without_the_project(artifact: Path, tmp_path: Path) -> None:
    code = (
        "import sys, json, numpy as np\n"
        f"sys.path.insert(0, {str(artifact)!r})\n"
        "import runtime\n"
        f"model = runtime.load({str(artifact)!r})\n"
        f"kept = np.load({str(artifact / 'examples.npz')!r})\n"
        "clips = [row[:n] for row, n in zip(kept['waveforms'], kept['lengths'])]\n"
        "error = float(np.abs(model.predict_batch(clips) - kept['probabilities']).max())\n"
        "ours = [m for m in sys.modules if m.split('.')[0] in ('ecosight', 'modalities', 'tensorflow', 'soundfile')]\n"
        "print(json.dumps([error, ours, list(model.labels)]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    error, ours, labels = json.loads(found.stdout)
    assert error < 1e-4
    assert ours == []
    assert tuple(labels) == LABELS


def test_loading_needs_neither_tensorflow_nor_much_memory(real_artifact: Path, real_clips: list[bytes]) -> None:
    code = (
        "import sys, json\nfrom pathlib import Path\nfrom ecosight.config import Config\n"
        "from modalities.sound import SoundModality\n"
        f"servable = SoundModality(Config()).load_servable(Path({str(real_artifact)!r}))\n"
        "servable.warm()\n"
        "clips = list(servable._examples.waveforms)\n"
        "for count in (1, 3, 8, 16, 5, 16): servable.predict((clips * 2)[:count])\n"
        "heavy = [m for m in ('tensorflow', 'keras', 'onnx', 'openvino', 'scipy') if m in sys.modules]\n"
        "status = Path('/proc/self/status')\n"
        "peak = status.read_text().split('VmHWM:')[1].split()[0] if status.exists() else 0\n"
        "print(json.dumps([heavy, int(peak) // 1024]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, peak_mib = json.loads(found.stdout)
    assert heavy == []
    assert peak_mib < 260


def test_opening_and_asking_its_examples_starts_no_threads_which_would_keep_the_urgency_of_who_opened_it(
    logmel: SoundModality, artifact: Path
) -> None:
    before = set(threading.enumerate())
    servable: Any = logmel.load_servable(artifact, threads=2)
    for _ in range(2):
        servable.warm()
    assert set(threading.enumerate()) <= before
    servable.predict(servable._examples.waveforms)
    assert len(set(threading.enumerate()) - before) > 0  # clients who come together are answered side by side


def test_a_model_that_no_longer_gives_its_own_answers_says_so(
    logmel: SoundModality, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servable: Any = logmel.load_servable(artifact)
    servable.warm()
    runner, run = servable._opened.runner, servable._opened.runner.run
    monkeypatch.setattr(runner, "run", lambda clips, output: np.roll(run(clips, output), 1, axis=1))
    with pytest.raises(IntegrityError, match="no longer gives its own answers"):
        servable.warm()


def test_its_own_examples_as_files_give_the_answers_that_it_recorded(logmel: SoundModality, artifact: Path) -> None:
    servable: Any = logmel.load_servable(artifact)
    with np.load(artifact / "examples.npz") as recorded:
        expected = recorded["probabilities"]
    answers = servable.predict([servable.prepare(each) for each in servable.examples()])
    assert np.abs(answers - expected).max() < 1e-4


def test_an_artifact_of_another_kind_is_not_opened(logmel: SoundModality, artifact: Path, tmp_path: Path) -> None:
    copied = copy(artifact, tmp_path)
    change(copied, lambda description: description.update(modality="image"))
    with pytest.raises(IntegrityError, match="'image'"):
        logmel.load_servable(copied)


def test_wrong_recorded_answers_are_refused(logmel: SoundModality, artifact: Path, tmp_path: Path) -> None:
    copied = copy(artifact, tmp_path)
    kept = dict(np.load(copied / "examples.npz"))
    kept["probabilities"] = kept["probabilities"][:, ::-1]
    np.savez_compressed(copied / "examples.npz", **kept)
    change(copied, lambda description: None)
    for engine in ("default", "fastest"):
        with pytest.raises(Refused):
            logmel.load_servable(copied, engine=engine)


@pytest.mark.parametrize(
    "change", [{"examples": []}, {"temperature": 0.0}, {"temperature": float("nan")}, {"labels": ("a", "b")}], ids=str
)
def test_what_cannot_be_compiled_is_told(
    change: dict[str, Any], logmel: SoundModality, samples: list[bytes], tmp_path: Path
) -> None:
    head = logmel.build_head(192, 4, seed=0, options={"hidden_units": [], "dropout": []})
    given: dict[str, Any] = {"temperature": 1.0, "labels": LABELS, "examples": samples[:1]} | change
    with pytest.raises(InvalidInput):
        logmel.compile_servable(head=head, folder=tmp_path, facts={}, **given)


def copy(artifact: Path, folder: Path) -> Path:
    for path in artifact.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def change(folder: Path, edit: Any) -> None:
    description = json.loads((folder / "servable.json").read_text("utf-8"))
    edit(description)
    seal_artifact(folder, {key: value for key, value in description.items() if key not in ("files", "digest")})


# -- engines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_every_engine_keeps_the_labels_of_real_clips(
    engine: str, yamnet: SoundModality, real_artifact: Path, real_clips: list[bytes]
) -> None:
    default = yamnet.load_servable(real_artifact)
    prepared = [default.prepare(data) for data in real_clips]
    expected = default.predict(prepared)
    try:
        other = yamnet.load_servable(real_artifact, engine=engine)
    except Unavailable as error:
        pytest.skip(error.message)
    assert other.engine == engine
    found = other.predict(prepared)
    assert np.abs(found - expected).max() <= ENGINES[engine].tolerance
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_an_unknown_engine_is_told_with_the_known_ones(logmel: SoundModality, artifact: Path) -> None:
    with pytest.raises(NotFound) as caught:
        logmel.load_servable(artifact, engine="openvino-bf17")
    assert "openvino-bf16" in caught.value.hint


def test_an_engine_that_is_not_installed_is_unavailable(
    logmel: SoundModality, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "find_spec", lambda name: None)
    with pytest.raises(Unavailable) as caught:
        logmel.load_servable(artifact, engine="openvino")
    assert "ecosight[fast]" in caught.value.hint
    assert logmel.load_servable(artifact, engine="fastest").engine == "onnxruntime"


def test_a_long_clip_is_answered_in_bounded_calls(yamnet: SoundModality, real_artifact: Path) -> None:
    servable = yamnet.load_servable(real_artifact)
    minute = np.random.default_rng(0).normal(0, 0.1, 60 * 16_000).astype(np.float32)
    (found,) = servable.predict([minute])
    halves = servable.predict([minute[: 7_680 * 62 + 7_920], minute[7_680 * 63 :]])
    assert found.shape == (11,)
    assert np.abs(found - halves.mean(axis=0)).max() < 0.2


def test_errors_stay_in_the_family(logmel: SoundModality, tmp_path: Path) -> None:
    with pytest.raises(EcosightError):
        logmel.load_servable(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == []
    assert isinstance(SoundModality(Config()), object)
