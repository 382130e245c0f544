"""The ONNX graph of a sound model: front end, an embedder's body, pooling to clips, and the head.

Tensors that other engines may cut at keep their names: ``log_mel``, ``patches``, ``embeddings``, ``clip_embeddings``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.sound.frontend import FFT, LOG_OFFSET, MELS, hann_window, mel_matrix
from modalities.sound.runtime import HOP, PATCH_FRAMES, WINDOW

__all__ = ["GRAPH_VERSION", "Add", "GraphBuilder", "embedder_graph", "with_head"]

GRAPH_VERSION = 1
"""Raise it when the front end or the pooling is built in another way: cached graphs are then made anew."""
OPSET = 17
IR_VERSION = 8

Values = dict[str, tuple[str, list[Any]]]
"""Tensors by name: their type and shape."""


class GraphBuilder:
    """Collects the nodes and constants of one graph, giving each a name."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """An initializer; float64 becomes float32."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node with one output; returns the output's name."""
        from onnx import helper

        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def model(self, inputs: Values, outputs: Values, cuts: Values) -> Any:
        """The checked ``onnx.ModelProto``; ``cuts`` are inner tensors whose type and shape are told."""
        import onnx
        from onnx import helper

        ends = _infos(inputs), _infos(outputs)
        graph = helper.make_graph(self._nodes, "sound", *ends, self._constants, value_info=_infos(cuts))
        opsets = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="ecosight")
        onnx.checker.check_model(made, full_check=True)
        return made

    def extend(self, model: Any, outputs: Values) -> Any:
        """A copy of the model with these nodes behind its own, and more outputs."""
        import onnx

        longer = onnx.ModelProto()
        longer.CopyFrom(model)
        longer.graph.node.extend(self._nodes)
        longer.graph.initializer.extend(self._constants)
        longer.graph.output.extend(_infos(outputs))
        onnx.checker.check_model(longer, full_check=True)
        return longer


Add = Callable[[GraphBuilder, str], str]
"""Adds nodes behind a tensor and returns the name of their output."""


def embedder_graph(body: Add, dimension: int) -> bytes:
    """A serialised graph from waveforms to ``clip_embeddings`` (clips, dimension).

    Args:
        body: what turns patches (n, 96, 64) into embeddings (n, dimension).
    """
    builder = GraphBuilder()
    _add_front_end(builder)
    builder.add("Identity", [body(builder, "patches")], "embeddings")
    builder.add("MatMul", ["clip_weights", "embeddings"], "pooled")
    builder.add("Add", ["pooled", "carried"], "clip_embeddings")
    inputs: Values = {
        "waveform": ("float32", ["samples"]),
        "patch_start": ("int64", ["n"]),
        "clip_weights": ("float32", ["clips", "n"]),
        "carried": ("float32", ["clips", dimension]),
    }
    cuts: Values = {
        "log_mel": ("float32", ["frames", MELS]),
        "patches": ("float32", ["n", PATCH_FRAMES, MELS]),
        "embeddings": ("float32", ["n", dimension]),
    }
    return _bytes(builder.model(inputs, {"clip_embeddings": ("float32", ["clips", dimension])}, cuts))


def with_head(embedder: bytes, head: Add, classes: int) -> bytes:
    """The embedder's graph with a head behind it, which ends in ``probabilities`` (clips, classes)."""
    import onnx

    builder = GraphBuilder()
    builder.add("Identity", [head(builder, "clip_embeddings")], "probabilities")
    model = onnx.ModelProto.FromString(embedder)
    return _bytes(builder.extend(model, {"probabilities": ("float32", ["clips", classes])}))


def _infos(values: Values) -> list[Any]:
    from onnx import TensorProto, helper

    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    return [helper.make_tensor_value_info(name, kinds[kind], shape) for name, (kind, shape) in values.items()]


def _bytes(model: Any) -> bytes:
    """The same model always gives the same bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def _add_front_end(builder: GraphBuilder) -> None:
    """From ``waveform`` and ``patch_start`` to ``log_mel`` (frames, 64) and ``patches`` (n, 96, 64)."""
    builder.constant("rows", np.array([-1, HOP]))
    builder.add("Reshape", ["waveform", "rows"], "row")
    for shift, width in ((0, HOP), (1, HOP), (2, WINDOW - 2 * HOP)):
        begin = builder.constant(f"row{shift}_begin", np.array([shift, 0]))
        end = builder.constant(f"row{shift}_end", np.array([shift - 2 or 2**31, width]))
        builder.add("Slice", ["row", begin, end], f"row{shift}")
    builder.add("Concat", ["row0", "row1", "row2"], "frames", axis=1)
    _add_magnitude(builder)
    weights = mel_matrix()
    builder.add("MatMul", ["magnitude", builder.constant("mel_weights", weights[_bins()])], "mel")
    builder.add("Add", ["mel", builder.constant("log_offset", np.array(LOG_OFFSET))], "mel_above_zero")
    builder.add("Log", ["mel_above_zero"], "log_mel")
    builder.add("Unsqueeze", ["patch_start", builder.constant("axis_1", np.array([1]))], "patch_column")
    offsets = builder.constant("frame_offsets", np.arange(PATCH_FRAMES)[None])
    builder.add("Add", ["patch_column", offsets], "patch_frames")
    builder.add("Gather", ["log_mel", "patch_frames"], "patches", axis=0)


def _add_magnitude(builder: GraphBuilder) -> None:
    """``frames`` (frames, 400) to ``magnitude`` (frames, bins), by matrix products that use the window's symmetry.

    Around the middle of the frame the window is even, so cosines only meet the even part of the frame and sines
    the odd part: two products of length 200 in place of two of length 400. Only bins with a mel weight are made.
    """
    half = WINDOW // 2
    middle = np.arange(half)
    angle = 2 * np.pi / FFT * np.outer(middle, _bins())
    window = hann_window()[half:][:, None]
    even = window * np.cos(angle)
    odd = window * np.sin(angle)
    even[0] /= 2  # the middle sample meets itself
    whole = {"axis": 1, "back": -1, "zero": 0, "half": half, "window": WINDOW}
    number = {name: builder.constant(f"frame_{name}", np.array([value])) for name, value in whole.items()}
    # Slices, not a Gather along the frame: that one alone took 7% of the whole model's time.
    builder.add("Slice", ["frames", number["half"], number["window"], number["axis"]], "frame_later")
    builder.add("Slice", ["frames", number["half"], number["zero"], number["axis"], number["back"]], "frame_earlier")
    builder.add("Add", ["frame_later", "frame_earlier"], "frame_even")
    builder.add("Sub", ["frame_later", "frame_earlier"], "frame_odd")
    builder.add("MatMul", ["frame_even", builder.constant("cosines", even)], "real")
    builder.add("MatMul", ["frame_odd", builder.constant("sines", odd)], "imaginary")
    builder.add("Mul", ["real", "real"], "real_squared")
    builder.add("Mul", ["imaginary", "imaginary"], "imaginary_squared")
    builder.add("Add", ["real_squared", "imaginary_squared"], "power")
    builder.add("Sqrt", ["power"], "magnitude")


def _bins() -> NDArray[np.int64]:
    """The DFT bins that any mel band uses."""
    return np.flatnonzero(mel_matrix().any(axis=1))
