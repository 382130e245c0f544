"""The embedder without weights: how loud each mel band is on average, how much it varies, and how fast.

It needs no download and works offline; it is no substitute for YAMNet and never takes its place by itself.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosight.config import Config
from modalities.sound.embedders.base import SoundEmbedder
from modalities.sound.frontend import MELS, patches
from modalities.sound.graph import GraphBuilder, embedder_graph
from modalities.sound.runtime import PATCH_FRAMES

__all__ = ["LogMelEmbedder"]


class LogMelEmbedder(SoundEmbedder):
    """Mean, standard deviation and mean absolute step from frame to frame of the 64 log-mel bands: 192 values."""

    name = "logmel"
    note = "no pretrained weights"
    dimension = 3 * MELS

    def __init__(self, config: Config) -> None:
        super().__init__(config.sound)

    @cached_property
    def graph(self) -> bytes:
        return embedder_graph(_add_statistics, self.dimension)

    def reference(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = patches(waveform)
        steps = np.abs(np.diff(seen, axis=1)).mean(axis=1)
        each = np.concatenate([seen.mean(axis=1), seen.std(axis=1), steps], axis=1)
        return np.asarray(each.mean(axis=0), np.float32)


def _add_statistics(builder: GraphBuilder, patches: str) -> str:
    mean = builder.add("ReduceMean", [patches], "band_mean", axes=[1], keepdims=1)
    deviation = builder.add("Sub", [patches, mean], "band_deviation")
    squared = builder.add("Mul", [deviation, deviation], "band_deviation_squared")
    variance = builder.add("ReduceMean", [squared], "band_variance", axes=[1], keepdims=1)
    spread = builder.add("Sqrt", [variance], "band_spread")
    axis = builder.constant("time_axis", np.array([1]))
    ends = {
        "band_later": builder.constant("band_later_bounds", np.array([1])),
        "band_earlier": builder.constant("band_earlier_bounds", np.array([0])),
    }
    stops = {
        "band_later": builder.constant("band_later_stop", np.array([PATCH_FRAMES])),
        "band_earlier": builder.constant("band_earlier_stop", np.array([PATCH_FRAMES - 1])),
    }
    later, earlier = (builder.add("Slice", [patches, ends[name], stops[name], axis], name) for name in ends)
    step = builder.add("Sub", [later, earlier], "band_step")
    size = builder.add("Abs", [step], "band_step_size")
    mean_step = builder.add("ReduceMean", [size], "band_mean_step", axes=[1], keepdims=1)
    parts = builder.add("Concat", [mean, spread, mean_step], "band_statistics", axis=2)
    shape = builder.constant("flat", np.array([-1, 3 * MELS]))
    return builder.add("Reshape", [parts, shape], "band_values")
