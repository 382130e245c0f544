"""The runtime of a sound model: from waveforms to calibrated probabilities, with NumPy, ONNX Runtime and soxr alone.

A copy of this file lies in every servable artifact, and the server runs the very same code.
It imports nothing of EcoSight, so an artifact answers wherever these three packages are installed::

    import runtime
    model = runtime.load(folder)
    model.predict_batch([waveform], sample_rate=16_000)

The graph's inputs (one call answers a whole micro-batch):

- ``waveform`` float32 (160 r,): stretches of sound, 16 kHz mono, one after the other;
- ``patch_start`` int64 (n,): the 10-ms frame where each 0.96-s patch begins;
- ``clip_weights`` float32 (clips, n): how much each patch counts in each clip's average;
- ``carried`` float32 (clips, d): what the patches of earlier calls contributed to those averages.

Its outputs: ``clip_embeddings`` (clips, d) and, in a servable model, ``probabilities`` (clips, classes).
``carried`` bounds the memory: however long the clips, a call computes ``PATCHES_PER_CALL`` patches at most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

__all__ = ["Runner", "SoundModel", "load", "open_session"]

SAMPLE_RATE_HZ = 16_000
HOP = 160
"""Samples between two frames (10 ms)."""
WINDOW = 400
"""Samples of a frame (25 ms)."""
PATCH_FRAMES = 96
PATCH_SAMPLES = 15_600
"""Samples that a patch sees: 96 frames of 400, each 160 after the one before."""
PATCH_HOP = 7_680
"""Samples between two patches (48 frames)."""
PATCHES_PER_CALL = 32

Floats = NDArray[np.float32]
Call = Callable[[Mapping[str, NDArray[Any]], str], Floats]
"""An engine: the graph's inputs by name, and the output that is wanted."""


class SoundModel:
    """A servable model, opened. Thread-safe."""

    def __init__(self, runner: Runner, description: Mapping[str, Any]) -> None:
        self.labels: tuple[str, ...] = tuple(description["labels"])
        self.description = description
        self._runner = runner

    def predict_batch(self, waveforms: NDArray[Any] | Sequence[Any], *, sample_rate: int = SAMPLE_RATE_HZ) -> Floats:
        """Calibrated probabilities of whole clips.

        Args:
            waveforms: mono samples in [-1, 1]; a list of 1-D arrays, or one 2-D array whose
                shorter rows are filled up with NaN at the end.
            sample_rate: of the waveforms, in Hz; other rates than 16,000 are resampled.
        Returns: float32 (n, classes), rows sum to 1, columns in the order of ``labels``.
        Raises: ValueError: a clip is empty, has more than one dimension, or holds NaN or infinity.
        """
        clips = [_checked(clip, index) for index, clip in enumerate(waveforms)]
        if sample_rate != SAMPLE_RATE_HZ:
            clips = [soxr.resample(clip, sample_rate, SAMPLE_RATE_HZ, quality="HQ") for clip in clips]
        return self._runner.run(clips, "probabilities")


class Runner:
    """Cuts clips into calls of an engine and joins the answers. Thread-safe where the engine is.

    Args:
        dimension: of the embeddings.
        threads: clips that are computed side by side, each by calls that use one thread. Threads inside a call
            would wait for each other at every layer, the longer the more decoding takes their cores.
    """

    def __init__(self, call: Call, dimension: int, *, threads: int = 1) -> None:
        self._call = call
        self._dimension = dimension
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference") if threads > 1 else None
        # A window of digital silence always gives the same embedding: computed once, here.
        quiet = _Plan([np.zeros(PATCH_SAMPLES, np.float32)], skip_silence=False)
        self._silence = self._run(quiet, np.zeros((1, dimension), np.float32), "clip_embeddings")

    def run(self, clips: Sequence[Floats], output: str) -> Floats:
        """One row per clip of the graph's output ``output``.

        Input: 1-D float32 waveforms at 16 kHz of any length above 0.
        """
        if self._pool is None or len(clips) < 2:
            return self._answer(clips, output)
        shares = _shares(clips, self._threads)
        answers = self._pool.map(lambda share: self._answer([clips[index] for index in share], output), shares)
        joined = np.concatenate(list(answers))
        result = np.empty_like(joined)
        result[np.concatenate(shares)] = joined
        return result

    def _answer(self, clips: Sequence[Floats], output: str) -> Floats:
        plan = _Plan(clips, skip_silence=True)
        return self._run(plan, plan.silent_share[:, None] * self._silence, output)

    def _run(self, plan: _Plan, carried: Floats, output: str) -> Floats:
        result = carried
        calls = list(plan.calls())
        for number, inputs in enumerate(calls, 1):
            wanted = output if number == len(calls) else "clip_embeddings"
            result = self._call({**inputs, "carried": result}, wanted)
        return result


def open_session(graph: bytes | Path) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session for a graph of this format, whose calls use the thread that makes them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Shapes differ from call to call, so remembered memory patterns would only pile up.
    options.enable_mem_pattern = False
    source = graph if isinstance(graph, bytes) else str(graph)
    cpu = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})
    return onnxruntime.InferenceSession(source, options, providers=[cpu])


def session_call(session: onnxruntime.InferenceSession) -> Call:
    """The engine behind a session. Thread-safe."""

    def call(inputs: Mapping[str, NDArray[Any]], output: str) -> Floats:
        result: Floats = session.run([output], dict(inputs))[0]
        return result

    return call


def session_runner(session: onnxruntime.InferenceSession, *, threads: int = 1) -> Runner:
    """A runner over a session."""
    dimension = next(each.shape[1] for each in session.get_inputs() if each.name == "carried")
    return Runner(session_call(session), int(dimension), threads=threads)


def usable_threads() -> int:
    """``ECOSIGHT_INFERENCE_THREADS``, or the number of cores this process may run on."""
    wanted = os.environ.get("ECOSIGHT_INFERENCE_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load(folder: str | Path, *, threads: int | None = None) -> SoundModel:
    """Open the artifact in a folder with ONNX Runtime.

    Args:
        threads: None: ``ECOSIGHT_INFERENCE_THREADS``, else one for each core that we may use.
    """
    description = json.loads((Path(folder) / "servable.json").read_text("utf-8"))
    session = open_session(Path(folder) / "model.onnx")
    return SoundModel(session_runner(session, threads=threads or usable_threads()), description)


def patch_count(samples: int) -> int:
    """Patches of a clip: YAMNet pads it to one window, then to whole hops."""
    return 1 + max(0, -(-(samples - PATCH_SAMPLES) // PATCH_HOP))


def _shares(clips: Sequence[Floats], count: int) -> list[list[int]]:
    """Indices of clips, dealt into at most ``count`` shares of about the same length: the longest first."""
    shares: list[list[int]] = [[] for _ in range(min(count, len(clips)))]
    load = [0] * len(shares)
    for index in sorted(range(len(clips)), key=lambda index: -len(clips[index])):
        least = load.index(min(load))
        shares[least].append(index)
        load[least] += patch_count(len(clips[index]))
    return shares


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Patches ``first`` to ``first + count - 1`` of one clip, which lie next to each other."""

    clip: int
    first: int
    count: int


class _Plan:
    """Which patches have to be computed, and in which calls."""

    def __init__(self, clips: Sequence[Floats], *, skip_silence: bool) -> None:
        self._clips = clips
        self._patches = np.array([patch_count(len(clip)) for clip in clips])
        active = [_sounding(clip, int(count)) for clip, count in zip(clips, self._patches, strict=True)]
        if not skip_silence or not any(each.any() for each in active):
            active = [np.ones(int(count), bool) for count in self._patches]
        sounding = np.array([each.sum() for each in active])
        self.silent_share: Floats = (1 - sounding / self._patches).astype(np.float32)
        self._stretches = [stretch for clip, each in enumerate(active) for stretch in _stretches(clip, each)]

    def calls(self) -> Iterator[dict[str, NDArray[Any]]]:
        """The inputs of each call but ``carried``."""
        room, taken = PATCHES_PER_CALL, list[_Stretch]()
        for stretch in self._stretches:
            first, left = stretch.first, stretch.count
            while left:
                count = min(left, room)
                taken.append(_Stretch(stretch.clip, first, count))
                first, left, room = first + count, left - count, room - count
                if not room:
                    yield self._inputs(taken)
                    room, taken = PATCHES_PER_CALL, []
        if taken:
            yield self._inputs(taken)

    def _inputs(self, stretches: Sequence[_Stretch]) -> dict[str, NDArray[Any]]:
        # A stretch of n patches needs 48 n + 48 frames; its last frame reaches into two more rows of 160.
        rows = [48 * each.count + 50 for each in stretches]
        waveform = np.zeros(HOP * sum(rows), np.float32)
        starts: list[NDArray[np.int64]] = []
        weights = np.zeros((len(self._clips), sum(each.count for each in stretches)), np.float32)
        row = column = 0
        for each, length in zip(stretches, rows, strict=True):
            begin = each.first * PATCH_HOP
            piece = self._clips[each.clip][begin : begin + PATCH_HOP * (each.count - 1) + PATCH_SAMPLES]
            waveform[HOP * row : HOP * row + len(piece)] = piece
            starts.append(row + 48 * np.arange(each.count, dtype=np.int64))
            weights[each.clip, column : column + each.count] = 1 / self._patches[each.clip]
            row, column = row + length, column + each.count
        return {"waveform": waveform, "patch_start": np.concatenate(starts), "clip_weights": weights}


_BLOCK = 240  # divides a patch (65 blocks) and the hop between patches (32 blocks)


def _sounding(clip: Floats, patches: int) -> NDArray[np.bool_]:
    """Which patches hold any sample but zero."""
    whole = -(-len(clip) // _BLOCK)
    blocks = np.zeros(32 * (patches - 1) + 65, bool)
    padded = clip if len(clip) == whole * _BLOCK else np.pad(clip, (0, whole * _BLOCK - len(clip)))
    blocks[:whole] = padded.reshape(-1, _BLOCK).any(axis=1)
    sums = np.concatenate([[0], np.cumsum(blocks)])
    return np.asarray(sums[65::32] > sums[: 32 * patches : 32])


def _stretches(clip: int, active: NDArray[np.bool_]) -> list[_Stretch]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return [_Stretch(clip, int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _checked(clip: Any, index: int) -> Floats:
    samples = np.asarray(clip, np.float32)
    if samples.ndim == 1 and np.isnan(samples[-1:]).any():
        heard = np.flatnonzero(~np.isnan(samples))
        samples = samples[: heard[-1] + 1 if heard.size else 0]
    if samples.ndim != 1 or not samples.size or not np.isfinite(samples).all():
        raise ValueError(f"clip {index} must be a 1-D array of at least one finite sample, not {np.shape(clip)}")
    return samples
