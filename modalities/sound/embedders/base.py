"""What all embedders of sound share: decoding on threads, overlapped with the graph they are compiled to."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from modalities.sound.decoding import DECODER_VERSION, decode
from modalities.sound.runtime import Runner, open_session, session_runner, usable_threads

__all__ = ["SoundEmbedder"]

BATCH_CLIPS = 8


class SoundEmbedder(ABC):
    """Turns raw sound files into clip embeddings: the mean over a clip's patches. Thread-safe.

    A plug-in gives the ``graph`` that does the work, and ``reference``: the same thing computed another way.
    """

    name: str
    note: str
    """What it is, in a few words, shown beside its name wherever a model is described."""
    dimension: int

    def __init__(self, limits: SoundSection) -> None:
        self._limits = limits

    @property
    @abstractmethod
    def graph(self) -> bytes:
        """The serialised ONNX graph from waveforms to clip embeddings, made once; its format is told in ``runtime``."""

    @abstractmethod
    def reference(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The clip embedding of one 16 kHz waveform, float32 (dimension,), by a way that does not use the graph."""

    @property
    def arithmetic(self) -> str:
        """What the graph is computed in: float32, unless a plug-in computes it in fewer bits."""
        return "float32"

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the graph, the decoder's version and the arithmetic: vectors of another kind never mix."""
        kind = f"{self.name} decoder {DECODER_VERSION} {self.arithmetic}\n"
        return hashlib.sha256(kind.encode() + self.graph).hexdigest()

    @cached_property
    def _runner(self) -> Runner:
        """Threads call it side by side."""
        return session_runner(open_session(self.graph))

    def embed(self, samples: Sequence[bytes]) -> NDArray[np.float32]:
        """Embeddings of raw files, float32 (n, dimension). Raises InputError: a sample cannot be read.

        Each thread decodes some files and computes them, so all cores are busy and no thread waits for another.
        """
        batches = [samples[start : start + BATCH_CLIPS] for start in range(0, len(samples), BATCH_CLIPS)]
        if not batches:
            return np.zeros((0, self.dimension), np.float32)
        self._runner  # noqa: B018 - opened once, before the threads ask for it
        with ThreadPoolExecutor(min(usable_threads(), len(batches)), thread_name_prefix="embed") as pool:
            return np.concatenate(list(pool.map(self._embed_batch, batches)))

    def _embed_batch(self, samples: Sequence[bytes]) -> NDArray[np.float32]:
        waveforms = [decode(data, self._limits).waveform for data in samples]
        return self._runner.run(waveforms, "clip_embeddings")
