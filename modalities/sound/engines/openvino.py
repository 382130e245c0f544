"""OpenVINO for the embedder's body, in float32 or bfloat16; front end and head stay float32 in ONNX Runtime.

Small numbers decide in the front end (the logarithm of near silence) and in the head (the softmax), so 16 bits are
used between the cut points ``patches`` and ``embeddings`` only, where nearly all the work is.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import Unavailable
from modalities.sound.runtime import PATCHES_PER_CALL, Call, Runner, open_session

__all__ = ["open_bfloat16", "open_float32", "open_shared_bfloat16"]

Floats = NDArray[np.float32]
_SIZES = [size for size in (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64) if size <= PATCHES_PER_CALL]
"""Batches are filled up to one of these: OpenVINO prepares itself anew for every shape it meets (5 to 20 ms)."""


def open_float32(model: Path, threads: int) -> Runner:
    """The body in 32 bits."""
    return _open(model.read_bytes(), threads, "f32")


def open_bfloat16(model: Path, threads: int) -> Runner:
    """The body in bfloat16. Raises: Unavailable: this processor has no instructions for it."""
    return _open(model.read_bytes(), threads, "bf16")


def open_shared_bfloat16(model: bytes, streams: int) -> Runner:
    """A runner without threads of its own, for ``streams`` threads that call it side by side; else as above."""
    call, dimension = _open_call(model, streams, "bf16")
    return Runner(call, dimension)


def _open(model: bytes, threads: int, precision: str) -> Runner:
    call, dimension = _open_call(model, threads, precision)
    return Runner(call, dimension, threads=threads)


def _open_call(model: bytes, threads: int, precision: str) -> tuple[Call, int]:
    """The engine behind a graph, and the dimension of its embeddings."""
    if find_spec("openvino") is None:
        raise Unavailable("OpenVINO is not installed", hint='Install it: pip install "ecosight[fast]".')
    import onnx
    import openvino

    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Unavailable("this processor does not compute in bfloat16", hint="Compute in float32 here.")
    whole = onnx.ModelProto.FromString(model)
    carried = next(each for each in whole.graph.input if each.name == "carried")
    dimension = carried.type.tensor_type.shape.dim[1].dim_value
    front = open_session(_part(whole, ["waveform", "patch_start"], ["patches"]))
    outputs = [each.name for each in whole.graph.output]
    back = open_session(_part(whole, ["embeddings", "clip_weights", "carried"], outputs))
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,  # so a call uses one thread, as with the other engines
        "ENABLE_CPU_PINNING": False,  # decoding moves over the same cores
    }
    serialised = _part(whole, ["patches"], ["embeddings"])
    body = _Body(core.compile_model(core.read_model(serialised), "CPU", settings))
    return _call(front, body, back), int(dimension)


def _call(front: Any, body: _Body, back: Any) -> Call:
    def call(inputs: Mapping[str, NDArray[Any]], output: str) -> Floats:
        (patches,) = front.run(["patches"], {name: inputs[name] for name in ("waveform", "patch_start")})
        rest = {name: inputs[name] for name in ("clip_weights", "carried")}
        result: Floats = back.run([output], {"embeddings": body(patches), **rest})[0]
        return result

    return call


class _Body:
    """The compiled body. Thread-safe: each call takes a request of its own out of a pool."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for size in _SIZES:
            self(np.zeros((size, 96, 64), np.float32))

    def __call__(self, patches: Floats) -> Floats:
        count = len(patches)
        size = next(size for size in _SIZES if size >= count)
        if size > count:
            patches = np.concatenate([patches, np.zeros((size - count, *patches.shape[1:]), np.float32)])
        try:
            request = self._requests.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer([patches], share_inputs=True)
            result: Floats = request.get_output_tensor(0).data[:count].copy()
        finally:
            self._requests.put(request)
        return result


def _part(model: Any, inputs: list[str], outputs: list[str]) -> bytes:
    """The nodes between some tensors, as a model of their own."""
    from onnx.utils import Extractor

    return bytes(Extractor(model).extract_model(inputs, outputs).SerializeToString())
