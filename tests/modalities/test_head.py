"""The head is built as told, and its ONNX nodes give what Keras gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput, Refused
from modalities.sound import SoundModality
from modalities.sound.graph import with_head
from modalities.sound.head import add_head, build_head, head_logits, write_head
from modalities.sound.runtime import open_session


def scrambled(head: Any, dimension: int) -> Any:
    """A head whose statistics and weights are those of no initialiser."""
    rng = np.random.default_rng(3)
    head.get_layer("normalization").adapt(rng.normal(2, 3, (40, dimension)).astype(np.float32))
    for layer in head.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return head


def onnx_probabilities(modality: SoundModality, head: Any, temperature: float, embeddings: Any) -> Any:
    """The head's own answers: the embeddings go in as what earlier calls carried, with no patch that counts."""
    classes = head.output_shape[-1]
    graph = with_head(modality.embedder().graph, lambda b, x: add_head(b, x, head, temperature), classes)
    feeds = {
        "waveform": np.zeros(98 * 160, np.float32),
        "patch_start": np.zeros(1, np.int64),
        "clip_weights": np.zeros((len(embeddings), 1), np.float32),
        "carried": embeddings,
    }
    return open_session(graph).run(["probabilities"], feeds)[0]


@pytest.mark.parametrize(
    "options", [{}, {"hidden_units": [16], "dropout": [0.0]}, {"hidden_units": [], "dropout": []}], ids=str
)
def test_onnx_gives_the_calibrated_softmax_of_keras(logmel: SoundModality, options: dict[str, Any]) -> None:
    dimension = logmel.embedder().dimension
    head = scrambled(build_head(dimension, 5, seed=2, options=options), dimension)
    embeddings = np.random.default_rng(0).normal(2, 3, (9, dimension)).astype(np.float32)
    logits = head_logits(head, embeddings) / 1.7
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = onnx_probabilities(logmel, head, 1.7, embeddings)
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_default_head_is_the_documented_one() -> None:
    kinds = [type(layer).__name__ for layer in build_head(8, 4, seed=0, options={}).layers[1:]]
    assert kinds == ["Normalization", *["Dense", "BatchNormalization", "Dropout"] * 4, "Dense"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"hidden_units": [8]}, "1 hidden layers but 4 dropout rates"),
        ({"depth": 3}, "'depth'"),
        ({"hidden_units": [0], "dropout": [0.1]}, "widths"),
        ({"hidden_units": [8], "dropout": [1.0]}, "widths"),
    ],
)
def test_options_that_make_no_head_are_told(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        build_head(8, 4, seed=0, options=options)


def test_seed_zero_is_a_seed() -> None:
    first, second = (build_head(8, 4, seed=0, options={}).get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_head_of_another_kind_is_refused(logmel: SoundModality) -> None:
    import keras

    inputs = keras.Input((192,))
    gelu = keras.Model(inputs, keras.layers.Dense(3, activation="gelu", name="odd")(inputs))
    forked = keras.Model(inputs, keras.layers.Add()([keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)]))
    for head in (gelu, forked):
        with pytest.raises(Refused):
            with_head(logmel.embedder().graph, lambda b, x, head=head: add_head(b, x, head, 1.0), 3)


def test_a_saved_head_has_the_same_bytes_each_time_and_loads(tmp_path: Path) -> None:
    import keras

    head = scrambled(build_head(8, 4, seed=0, options={}), 8)
    for name in ("once.keras", "again.keras"):
        write_head(head, tmp_path / name)
    assert (tmp_path / "once.keras").read_bytes() == (tmp_path / "again.keras").read_bytes()
    back = keras.models.load_model(tmp_path / "once.keras")
    x = np.ones((2, 8), np.float32)
    np.testing.assert_array_equal(head_logits(back, x), head_logits(head, x))
