"""The servable sound model: how it is written, and how it is opened for answering."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.artifact import open_artifact, seal_artifact
from ecosight.config import SoundSection
from ecosight.errors import IntegrityError, InvalidInput
from ecosight.values import ParityReport
from modalities.sound import runtime
from modalities.sound.decoding import decode
from modalities.sound.embedders.base import SoundEmbedder
from modalities.sound.engines.choice import DEFAULT, ENGINES, Examples, Opened, ask, compare, open_engine

__all__ = ["SoundServable", "compile_servable", "load_servable"]

KEPT_EXAMPLES = 8

Floats = NDArray[np.float32]


class SoundServable:
    """A sound model that answers. Thread-safe."""

    def __init__(
        self, description: Mapping[str, Any], opened: Opened, examples: Examples, limits: SoundSection
    ) -> None:
        self.labels: tuple[str, ...] = tuple(description["labels"])
        self.digest: str = description["digest"]
        self.engine = opened.engine.name
        self.parity = opened.parity
        self.info = description
        self._opened, self._examples, self._limits = opened, examples, limits
        self._just_opened = True

    def prepare(self, data: bytes) -> Floats:
        """The waveform of one raw file, float32 (samples,) at 16 kHz."""
        return decode(data, self._limits).waveform

    def predict(self, prepared: Sequence[Any]) -> Floats:
        if not len(prepared):
            return np.zeros((0, len(self.labels)), np.float32)
        return self._opened.runner.run(prepared, "probabilities")

    def examples(self) -> list[bytes]:
        """The artifact's own examples as raw files."""
        import soundfile

        files = []
        for waveform in self._examples.waveforms:
            file = io.BytesIO()
            soundfile.write(file, waveform, runtime.SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
            files.append(file.getvalue())
        return files

    def warm(self) -> None:
        if self._just_opened:
            self._just_opened = False  # opening asked the same
            return
        answers = ask(self._opened.runner, self._examples)
        report = compare(self._examples.probabilities, answers, engine=self._opened.engine)
        if not report.passed:
            raise IntegrityError(
                f"the model no longer gives its own answers: off by {report.max_probability_error:.2g}",
                hint="Fetch it again from the registry; if that does not help, look at the machine's memory.",
                **asdict(report),
            )


def compile_servable(
    *,
    embedder: SoundEmbedder,
    limits: SoundSection,
    head: Any,
    temperature: float,
    labels: Sequence[str],
    examples: Sequence[bytes],
    folder: Path,
    facts: Mapping[str, Any],
) -> ParityReport:
    """Write the artifact into ``folder`` and compare it with the TensorFlow path. See ``Modality.compile_servable``."""
    from modalities.sound.graph import with_head
    from modalities.sound.head import add_head, write_head

    _check(head, temperature, labels, examples)
    folder.mkdir(parents=True, exist_ok=True)
    model = with_head(embedder.graph, lambda builder, x: add_head(builder, x, head, temperature), len(labels))
    (folder / "model.onnx").write_bytes(model)
    shutil.copyfile(runtime.__file__, folder / "runtime.py")
    write_head(head, folder / "head.keras")
    waveforms = [decode(each, limits).waveform for each in examples]
    reference = _reference(embedder, head, temperature, waveforms)
    answers = runtime.session_runner(runtime.open_session(model)).run(waveforms, "probabilities")
    report = compare(reference, answers, engine=ENGINES[DEFAULT])
    kept = np.unique(np.linspace(0, len(waveforms) - 1, min(KEPT_EXAMPLES, len(waveforms))).astype(int))
    _write_examples(folder, [waveforms[index] for index in kept], reference[kept])
    (folder / "parity.json").write_text(json.dumps(asdict(report), indent=2) + "\n", "utf-8")
    seal_artifact(folder, _description(embedder, temperature, labels, report, facts))
    return report


def load_servable(folder: Path, *, limits: SoundSection, engine: str, threads: int | None = None) -> SoundServable:
    """Open an artifact. See ``Modality.load_servable``."""
    description = open_artifact(folder)
    if description.get("modality") != "sound":
        raise IntegrityError(
            f"the model in {folder} is for {description.get('modality')!r}, not for sound",
            hint="Look at project.modality and mlflow.model_name.",
        )
    examples = _read_examples(folder / description["examples"])
    opened = open_engine(engine, folder / "model.onnx", examples, threads=threads)
    return SoundServable(description, opened, examples, limits)


def _check(head: Any, temperature: float, labels: Sequence[str], examples: Sequence[bytes]) -> None:
    if not examples:
        raise InvalidInput("a model is compiled with at least one example", hint="Give some real recordings.")
    if not temperature > 0 or not np.isfinite(temperature):
        raise InvalidInput(f"a temperature must be above 0, not {temperature}")
    if head.output_shape[-1] != len(labels) or len(set(labels)) != len(labels):
        raise InvalidInput(f"the head gives {head.output_shape[-1]} values for labels {list(labels)}")


def _reference(embedder: SoundEmbedder, head: Any, temperature: float, waveforms: Sequence[Floats]) -> Floats:
    from modalities.sound.head import head_logits

    embeddings = np.stack([embedder.reference(waveform) for waveform in waveforms])
    logits = head_logits(head, embeddings) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def _description(
    embedder: SoundEmbedder, temperature: float, labels: Sequence[str], report: ParityReport, facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "modality": "sound",
        "labels": list(labels),
        "embedder": {"name": embedder.name, "digest": embedder.digest, "note": embedder.note},
        "temperature": float(temperature),
        "sample_rate_hz": runtime.SAMPLE_RATE_HZ,
        "input": {
            "dtype": "float32",
            "shape": [-1, -1],
            "parameters": {"sample_rate": runtime.SAMPLE_RATE_HZ},
            "description": "mono waveforms in [-1, 1], one a row; shorter rows end in NaN",
        },
        "requirements": [f"{name}=={version(name)}" for name in ("numpy", "onnxruntime", "soxr")],
        "parity": asdict(report),
        "facts": dict(facts),
        "examples": "examples.npz",
    }


def _write_examples(folder: Path, waveforms: Sequence[Floats], probabilities: Floats) -> None:
    lengths = np.array([len(each) for each in waveforms])
    rows = np.zeros((len(waveforms), lengths.max()), np.float32)
    for row, waveform in zip(rows, waveforms, strict=True):
        row[: len(waveform)] = waveform
    np.savez_compressed(folder / "examples.npz", waveforms=rows, lengths=lengths, probabilities=probabilities)


def _read_examples(path: Path) -> Examples:
    with np.load(path, allow_pickle=False) as kept:
        rows = [row[:length] for row, length in zip(kept["waveforms"], kept["lengths"], strict=True)]
        return Examples(waveforms=rows, probabilities=kept["probabilities"])
