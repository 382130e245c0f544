"""What all embedders of sound share: decoding on threads, overlapped with the graph they are compiled to."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import SoundSection
from modalities.sound.decoding import DECODER_VERSION, decode
from modalities.sound.runtime import Runner, open_session, session_runner, usable_threads

__all__ = ["SoundEmbedder"]

BATCH_CLIPS = 8


class SoundEmbedder:
    """Turns raw sound files into clip embeddings: the mean over a clip's patches. Thread-safe.

    A plug-in gives the ``graph`` that does the work, and ``reference``: the same thing computed another way.
    """

    name: str
    dimension: int

    def __init__(self, limits: SoundSection) -> None:
        self._limits = limits

    @cached_property
    def graph(self) -> bytes:
        """The serialised ONNX graph from waveforms to clip embeddings; its format is told in ``runtime``."""
        raise NotImplementedError

    def reference(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The clip embedding of one 16 kHz waveform, float32 (dimension,), by a way that does not use the graph."""
        raise NotImplementedError

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the graph and the decoder's version."""
        return hashlib.sha256(f"{self.name} decoder {DECODER_VERSION}\n".encode() + self.graph).hexdigest()

    @cached_property
    def _runner(self) -> Runner:
        return session_runner(open_session(self.graph))

    def embed(self, samples: Sequence[bytes]) -> NDArray[np.float32]:
        """Embeddings of raw files, float32 (n, dimension). Raises InputError: a sample cannot be read."""
        rows = [self._runner.run(batch, "clip_embeddings") for batch in self._decoded(samples)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def _decoded(self, samples: Sequence[bytes]) -> Iterator[list[NDArray[np.float32]]]:
        """Batches of waveforms, decoded ahead of their use but never far ahead."""
        threads = usable_threads()
        waiting: deque[Future[NDArray[np.float32]]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
            left = iter(samples)
            while True:
                for data in left:
                    waiting.append(pool.submit(self._waveform, data))
                    if len(waiting) >= BATCH_CLIPS + 2 * threads:
                        break
                if not waiting:
                    return
                yield [waiting.popleft().result() for _ in range(min(BATCH_CLIPS, len(waiting)))]

    def _waveform(self, data: bytes) -> NDArray[np.float32]:
        return decode(data, self._limits).waveform
