"""Reads YAMNet's layers out of a TensorFlow SavedModel and writes them as ONNX nodes.

Two shapes of the network are known: biases added behind the convolutions, and batch normalisation behind them
(as TensorFlow Hub has it). Both become convolutions with a bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import Refused
from modalities.sound.graph import Add, GraphBuilder

__all__ = ["compile_body", "embeddings_of"]

Array = NDArray[np.float64]


def embeddings_of(saved_model: Any, waveform: Any) -> Any:
    """What the SavedModel itself says: embeddings (n, 1024) of a 16 kHz waveform."""
    result = saved_model(waveform)
    return result["embeddings"] if isinstance(result, dict) else result[1]


@dataclass(slots=True, kw_only=True)
class _Convolution:
    """One convolution and what follows it in each channel: ``scale * x + offset``, then perhaps a ReLU."""

    kernel: Array  # (height, width, in, out); depthwise: (height, width, channels, multiplier)
    depthwise: bool
    strides: list[int]
    padding: str
    scale: Array
    offset: Array
    activation: str = ""


def compile_body(saved_model: Any) -> Add:
    """The convolutions between log-mel patches and embeddings, as something that adds them to a graph.

    Raises: Refused: the SavedModel holds other operations than those of YAMNet.
    """
    layers = _layers(saved_model)

    def add(builder: GraphBuilder, patches: str) -> str:
        tensor = builder.add("Unsqueeze", [patches, builder.constant("channel_axis", np.array([1]))], "image")
        for number, layer in enumerate(layers, 1):
            tensor = _add_convolution(builder, tensor, layer, f"conv{number}")
        tensor = builder.add("GlobalAveragePool", [tensor], "average")
        return builder.add("Flatten", [tensor], "body")

    return add


_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}
_POOLING = {"Mean", "Reshape", "Squeeze"}
_NORMALISATIONS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}
_ADDITIONS = {"AddV2", "Add", "BiasAdd", "Sub"}
_ELEMENTWISE = {"Relu", "Relu6", "Mul"} | _ADDITIONS | _NORMALISATIONS


def _layers(saved_model: Any) -> list[_Convolution]:
    """From the embeddings back to the input of the first convolution."""
    operation = _frozen_output(saved_model)
    while operation.type in _POOLING:
        operation = _upstream(operation.inputs[0])
    layers: list[_Convolution] = []
    after: list[Any] = []
    while operation.type in _CONVOLUTIONS | _ELEMENTWISE:
        if operation.type in _ELEMENTWISE:
            after.insert(0, operation)
            operation = _upstream(_data_input(operation))
        else:
            layers.insert(0, _convolution(operation, after))
            after, image = [], operation.inputs[0]
            operation = _upstream(image)
            if image.shape[-1] == 1:  # the spectrogram
                return layers
    raise _refused(f"operation {operation.name!r} of type {operation.type}")


def _frozen_output(saved_model: Any) -> Any:
    """The operation that computes the embeddings, in a graph whose variables became constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda waveform: embeddings_of(saved_model, waveform))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(tf.TensorSpec([None], tf.float32)))
    return _upstream(frozen.outputs[0])


def _upstream(tensor: Any) -> Any:
    operation = tensor.op
    while operation.type in ("Identity", "IdentityN"):
        operation = operation.inputs[tensor.value_index].op
    return operation


def _data_input(operation: Any) -> Any:
    """The input that is not a constant."""
    swapped = len(operation.inputs) == 2 and operation.type != "Sub" and _is_constant(operation.inputs[0])
    return operation.inputs[int(swapped)]


def _constant_input(operation: Any) -> Array:
    return _value(operation.inputs[1 if _data_input(operation) is operation.inputs[0] else 0])


def _convolution(operation: Any, after: list[Any]) -> _Convolution:
    if operation.get_attr("data_format") != b"NHWC" or set(operation.get_attr("dilations")) != {1}:
        raise _refused(f"convolution {operation.name!r}")
    depthwise = operation.type != "Conv2D"
    kernel = _value(operation.inputs[1])
    channels = kernel.shape[2] * kernel.shape[3] if depthwise else kernel.shape[3]
    layer = _Convolution(
        kernel=kernel,
        depthwise=depthwise,
        strides=[int(step) for step in operation.get_attr("strides")[1:3]],
        padding=operation.get_attr("padding").decode(),
        scale=np.ones(channels),
        offset=np.zeros(channels),
    )
    for each in after:
        _fold(layer, each)
    return layer


def _fold(layer: _Convolution, operation: Any) -> None:
    """Take an operation behind the convolution into it."""
    if layer.activation:
        raise _refused(f"operation {operation.name!r} behind an activation")
    if operation.type in ("Relu", "Relu6"):
        layer.activation = operation.type
    elif operation.type in _NORMALISATIONS:
        gamma, beta, mean, variance = (_value(each) for each in operation.inputs[1:5])
        gain = gamma / np.sqrt(variance + operation.get_attr("epsilon"))
        layer.scale, layer.offset = layer.scale * gain, (layer.offset - mean) * gain + beta
    elif operation.type == "Mul":
        factor = _constant_input(operation).reshape(-1)
        layer.scale, layer.offset = layer.scale * factor, layer.offset * factor
    else:
        term = _constant_input(operation).reshape(-1)
        layer.offset = layer.offset + (-term if operation.type == "Sub" else term)


# What optimisers leave of a batch normalisation's own constants.
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Rsqrt": lambda value: 1 / np.sqrt(value),
    "Sub": np.subtract,
}


def _is_constant(tensor: Any) -> bool:
    operation = _upstream(tensor)
    return operation.type == "Const" or (
        operation.type in _ARITHMETIC and all(_is_constant(each) for each in operation.inputs)
    )


def _value(tensor: Any) -> Array:
    import tensorflow as tf

    operation = _upstream(tensor)
    if operation.type == "Const":
        return np.asarray(tf.make_ndarray(operation.get_attr("value")), np.float64)
    if operation.type not in _ARITHMETIC:
        raise _refused(f"{operation.name!r} where a constant was expected")
    return np.asarray(_ARITHMETIC[operation.type](*(_value(each) for each in operation.inputs)))


def _add_convolution(builder: GraphBuilder, tensor: str, layer: _Convolution, name: str) -> str:
    height, width = layer.kernel.shape[:2]
    if layer.depthwise:
        kernel = layer.kernel.reshape(height, width, 1, -1)
        group = layer.kernel.shape[2]
    else:
        kernel, group = layer.kernel, 1
    weights = builder.constant(f"{name}_kernel", (kernel * layer.scale).transpose(3, 2, 0, 1))
    bias = builder.constant(f"{name}_bias", layer.offset)
    tensor = builder.add(
        "Conv",
        [tensor, weights, bias],
        name,
        kernel_shape=[height, width],
        strides=layer.strides,
        group=group,
        auto_pad={"SAME": "SAME_UPPER", "VALID": "VALID"}[layer.padding],
    )
    if layer.activation == "Relu6":
        bounds = [builder.constant(f"{name}_{value}", np.array(float(value))) for value in (0, 6)]
        return builder.add("Clip", [tensor, *bounds], f"{name}_relu")
    return builder.add("Relu", [tensor], f"{name}_relu") if layer.activation else tensor


def _refused(what: str) -> Refused:
    return Refused(
        f"this SavedModel is not the YAMNet that can be compiled: {what} is not expected",
        hint="Point sound.yamnet_model to google/yamnet/1 from TensorFlow Hub, or to a folder that holds it.",
    )
