"""The embedder for real work: YAMNet, taken from TensorFlow Hub or a folder, compiled once to ONNX.

Source: Plakal and Ellis, YAMNet (github.com/tensorflow/models, research/audioset/yamnet), Apache-2.0.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.config import Config
from ecosight.errors import Refused, Unavailable
from ecosight.logs import get_logger, native_stderr_held_back
from modalities.sound.embedders.base import SoundEmbedder
from modalities.sound.engines.openvino import open_shared_bfloat16
from modalities.sound.graph import GRAPH_VERSION, embedder_graph
from modalities.sound.runtime import SAMPLE_RATE_HZ, Runner, open_session, session_runner, usable_threads

__all__ = ["YamnetEmbedder"]

COMPILER_VERSION = 1
"""Raise it when the same SavedModel is compiled to another body."""
TOLERANCE = 1e-3
"""Largest error of the compiled graph, as a share of the largest value; seen: about 3e-6."""
BFLOAT16_TOLERANCE = 0.03
"""The same for bfloat16, whose steps are 2^-8 = 0.004."""


class YamnetEmbedder(SoundEmbedder):
    """YAMNet's 1,024 values a patch, averaged over the clip.

    TensorFlow is needed once for each SavedModel; later the compiled graph comes from the cache folder.
    """

    name = "yamnet"
    note = "pretrained on AudioSet"
    dimension = 1024

    def __init__(self, config: Config) -> None:
        super().__init__(config.sound)
        self._handle = config.sound.yamnet_model
        self._precision = config.sound.embedding_precision
        self._cache = config.cache_folder / "yamnet"

    @cached_property
    def graph(self) -> bytes:
        """Raises: Unavailable: YAMNet cannot be had. Refused: the model behind the handle is not YAMNet."""
        note = self._cache / f"{hashlib.sha256(self._handle.encode()).hexdigest()}.handle"
        known = note.read_text("utf-8").strip() if _is_address(self._handle) and note.is_file() else ""
        if known and (compiled := self._compiled(known)).is_file():
            return compiled.read_bytes()
        folder = self._folder
        digest = saved_model_digest(folder)
        compiled = self._compiled(digest)
        if not compiled.is_file():
            _write(compiled, self._compile())
        _write(note, digest.encode())
        return compiled.read_bytes()

    @property
    def arithmetic(self) -> str:
        """Raises: Unavailable: bfloat16 was asked for, and cannot be had."""
        return "bfloat16" if self._bfloat16 else "float32"

    @cached_property
    def _runner(self) -> Runner:
        return self._bfloat16 or session_runner(open_session(self.graph))

    @cached_property
    def _bfloat16(self) -> Runner | None:
        """The graph in bfloat16, where that is wanted, possible, and near enough to float32."""
        if self._precision == "float32":
            return None
        try:
            runner = open_shared_bfloat16(self.graph, usable_threads())
            _check_closeness(runner, session_runner(open_session(self.graph)))
        except (Unavailable, Refused):
            if self._precision == "bfloat16":
                raise
            return None
        return runner

    def reference(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """By TensorFlow, from the SavedModel itself."""
        return np.asarray(self._tensorflow_embeddings(waveform).mean(axis=0))

    def _compile(self) -> bytes:
        from modalities.sound.embedders.saved_model import compile_body

        get_logger("sound").info("compiling YAMNet to ONNX, once", folder=str(self._folder))
        graph = embedder_graph(compile_body(self._saved_model), self.dimension)
        probe = _probe()
        answer = session_runner(open_session(graph)).run([probe], "clip_embeddings")[0]
        expected = self.reference(probe)
        error = float(np.abs(answer - expected).max() / np.abs(expected).max())
        if not error <= TOLERANCE:
            raise Refused(
                f"compiled YAMNet differs from the SavedModel in {self._folder} by {error:.2g} of its largest value",
                hint="Point sound.yamnet_model to google/yamnet/1; models of another structure cannot be compiled.",
                error=error,
                tolerance=TOLERANCE,
            )
        return graph

    def _compiled(self, digest: str) -> Path:
        return self._cache / f"{digest}.v{GRAPH_VERSION}.{COMPILER_VERSION}.onnx"

    @cached_property
    def _folder(self) -> Path:
        return resolve(self._handle)

    @cached_property
    def _saved_model(self) -> Any:
        with native_stderr_held_back():
            import tensorflow as tf

        try:
            return tf.saved_model.load(str(self._folder))
        except Exception as error:  # TensorFlow raises half a dozen unrelated classes here
            raise _unavailable(self._handle, f"its SavedModel cannot be loaded ({_first_line(error)})") from error

    def _tensorflow_embeddings(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        from modalities.sound.embedders.saved_model import embeddings_of

        return np.asarray(embeddings_of(self._saved_model, waveform))


def resolve(handle: str) -> Path:
    """The local folder of a SavedModel: the handle itself, or what TensorFlow Hub downloaded for it.

    The download goes to ``TFHUB_CACHE_DIR`` where that is set.
    Raises: Unavailable: it is not there, and cannot be fetched.
    """
    if not _is_address(handle):
        folder = Path(handle).expanduser()
        if not (folder / "saved_model.pb").is_file():
            raise _unavailable(handle, "there is no saved_model.pb in that folder")
        return folder
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which says that it is deprecated
            import tensorflow_hub
        return Path(tensorflow_hub.resolve(handle))
    except Exception as error:  # no network, no such model, a broken archive: each with its own class
        raise _unavailable(handle, f"it cannot be downloaded ({_first_line(error)})") from error


def saved_model_digest(folder: Path) -> str:
    """SHA-256 over a SavedModel's graph and variables."""
    total = hashlib.sha256()
    for path in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _unavailable(handle: str, why: str) -> Unavailable:
    return Unavailable(
        f"YAMNet is not available from {handle!r}: {why}",
        hint=(
            "Set sound.yamnet_model to a folder with the SavedModel; or download it once where there is a network, "
            "`python -c \"import tensorflow_hub as hub; print(hub.resolve('https://tfhub.dev/google/yamnet/1'))\"`, "
            "and carry that folder here (TFHUB_CACHE_DIR says where downloads lie). "
            "sound.embedder: logmel works without any download, but is a far weaker model, not the same one."
        ),
    )


def _is_address(handle: str) -> bool:
    return "://" in handle


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _check_closeness(runner: Runner, exact: Runner) -> None:
    answer, expected = (each.run([_probe()], "clip_embeddings")[0] for each in (runner, exact))
    error = float(np.abs(answer - expected).max() / np.abs(expected).max())
    if not error <= BFLOAT16_TOLERANCE:
        raise Refused(
            f"YAMNet in bfloat16 is off by {error:.2g} of the largest value on this processor",
            hint="Set sound.embedding_precision: float32.",
            error=error,
            tolerance=BFLOAT16_TOLERANCE,
        )


def _probe() -> NDArray[np.float32]:
    """Three seconds in which every mel band sounds: a rising tone over noise."""
    t = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = 0.4 * np.sin(2 * np.pi * (100 * t + 1200 * t**2))
    return np.asarray(tone + np.random.default_rng(0).normal(0, 0.05, len(t)), np.float32)


def _write(path: Path, data: bytes) -> None:
    """Atomically: another process may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(name).replace(path)
