"""One epoch of training and of validation on one device: the only part that touches TensorFlow's machinery.

A compiled step fed by plain NumPy slices: at the size of a classifier head ``model.fit`` spends ten times longer on
its own bookkeeping than on the arithmetic, and keeps state that cannot be saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput
from training.devices import training_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.settings import FitSettings

__all__ = ["TrainLoop", "adapt_normalization", "logits_of"]

NORMALIZATION = "normalization"
VARIANCE_FLOOR = 1.0
CHUNK = 4096


class TrainLoop:
    """A model with its optimizer: trains an epoch, validates, gives and takes all of its variables.

    Input: a Keras model from (n, d) to logits (n, c), built, its normalisation adapted. Not thread-safe.
    """

    def __init__(self, model: Any, settings: FitSettings) -> None:
        import keras

        self._model, self._settings = model, settings
        self._device = training_device(settings.num_gpus)
        self._loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
        self._classes: int = model.output_shape[-1]
        self._optimizer = _optimizer(settings)
        self._optimizer.build(model.trainable_variables)
        self._gradients, self._apply, self._step, self._forward = self._compile()

    def epoch(
        self, data: tuple[Any, Any, Any], order: NDArray[np.int64], rate: float, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Train on every row once, in the given order.

        Args:
            rng: of mixup; nothing is drawn from it where the settings have none.
        Input: data, the arrays x float32 (n, d), y int64 (n,) and weights above 0, float32 (n,); order, int64 (n,).
        Returns: mean loss (nats, unweighted) and accuracy over the epoch, in training mode (with dropout). Of a mixed
            row the class with the larger share is the right one.
        """
        import numpy as np
        import tensorflow as tf

        self._optimizer.learning_rate = rate
        results = []
        with tf.device(self._device):
            for batch in _equal_parts(order, self._settings.batch_size * self._settings.gradient_accumulation):
                results += self._update(*data, batch, rng)
        losses, hits = np.sum([(float(loss), int(hit)) for loss, hit in results], axis=0)
        return float(losses / len(order)), float(hits / len(order))

    def evaluate(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[float, float]:
        """Mean loss (nats) and accuracy, in inference mode."""
        import numpy as np

        logits = self.logits(x)
        return float(np.mean(self._loss(y, logits))), float(np.mean(logits.argmax(axis=1) == y))

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np
        import tensorflow as tf

        with tf.device(self._device):
            return np.concatenate([self._forward(x[i : i + CHUNK]).numpy() for i in range(0, len(x), CHUNK)])

    def model_arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of every variable of the model, statistics and random states included."""
        return _copies("model", self._model.variables)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of every variable of the model and the optimizer."""
        return self.model_arrays() | _copies("optimizer", self._optimizer.variables)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set the variables back; those of the optimizer only where they are given."""
        _assign("model", self._model.variables, arrays)
        if any(name.startswith("optimizer/") for name in arrays):
            _assign("optimizer", self._optimizer.variables, arrays)

    def _update(self, x: Any, y: Any, weights: Any, batch: Any, rng: np.random.Generator) -> list[tuple[Any, Any]]:
        """One step of the optimizer, over one or several micro-batches."""
        import numpy as np

        parts = _equal_parts(batch, self._settings.batch_size)
        scale = np.float32(1 / len(batch))
        if len(parts) == 1:
            return [self._step(*self._rows(x, y, weights, batch, rng), scale)]
        total, results = None, []
        for part in parts:
            gradients, loss, hits = self._gradients(*self._rows(x, y, weights, part, rng), scale)
            total = gradients if total is None else [a + b for a, b in zip(total, gradients, strict=True)]
            results.append((loss, hits))
        self._apply(total)
        return results

    def _rows(self, x: Any, y: Any, weights: Any, part: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """The rows of a micro-batch, float32 (k, d), with soft labels (k, classes) that sum to the row's weight.

        Cross-entropy is linear in the label, so a weight can be a part of it, and what is mixed keeps its due.
        """
        from dataset.augmenting import mixup, one_hot

        rows, labels = x[part], one_hot(y[part], self._classes) * weights[part, None]
        return mixup(rows, labels, rng, alpha=self._settings.mixup) if self._settings.mixup else (rows, labels)

    def _compile(self) -> tuple[Any, Any, Any, Any]:
        import tensorflow as tf

        model, optimizer = self._model, self._optimizer
        features = tf.TensorSpec((None, model.input_shape[-1]), tf.float32)
        labels = tf.TensorSpec((None, self._classes), tf.float32)

        def differentiate(x: Any, y: Any, scale: Any) -> tuple[Any, Any, Any]:
            with tf.GradientTape() as tape:
                logits = tf.cast(model(x, training=True), tf.float32)
                # Not TensorFlow's own cross-entropy: its gradient takes it that every label sums to 1.
                losses = -tf.reduce_sum(y * tf.nn.log_softmax(logits), axis=1)
                objective = tf.reduce_sum(losses) * scale
            hits = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == tf.argmax(y, axis=1), tf.int32))
            unweighted = tf.reduce_sum(losses / tf.reduce_sum(y, axis=1))
            return tape.gradient(objective, model.trainable_variables), unweighted, hits

        def apply(gradients: Any) -> None:
            optimizer.apply(gradients, model.trainable_variables)

        def step(x: Any, y: Any, scale: Any) -> tuple[Any, Any]:
            gradients, loss, hits = differentiate(x, y, scale)
            apply(gradients)
            return loss, hits

        signature = [features, labels, tf.TensorSpec((), tf.float32)]
        return (
            tf.function(differentiate, input_signature=signature, autograph=False),
            tf.function(apply, autograph=False),
            tf.function(step, input_signature=signature, autograph=False),
            tf.function(
                lambda x: tf.cast(model(x, training=False), tf.float32), input_signature=[features], autograph=False
            ),
        )


def adapt_normalization(model: Any, x_train: NDArray[np.float32]) -> None:
    """Fit the model's layer ``normalization`` on the training part.

    A feature that varies less than features do on average is scaled by that average, not by its own deviation:
    else the rare features of a ReLU embedding, which tell the least, would count as much as all others, and one that
    never varied in training would outweigh everything the first time it does.
    """
    import numpy as np

    layer = model.get_layer(NORMALIZATION)
    layer.adapt(x_train)
    variance = layer.adapt_variance.numpy()
    floor = VARIANCE_FLOOR * float(variance.mean()) or 1.0
    layer.adapt_variance.assign(np.maximum(variance, floor))
    layer.finalize_state()


def logits_of(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's logits in inference mode, float32 (n, c), computed in slices that bound the memory."""
    import numpy as np

    slices = [np.asarray(model(x[i : i + CHUNK], training=False), np.float32) for i in range(0, len(x), CHUNK)]
    return np.concatenate(slices)


def _optimizer(settings: FitSettings) -> Any:
    import keras

    decay = settings.weight_decay or None
    made = {
        "adam": lambda: keras.optimizers.Adam(settings.learning_rate, weight_decay=decay),
        "adamw": lambda: keras.optimizers.AdamW(settings.learning_rate, weight_decay=decay or 0.004),
        "sgd": lambda: keras.optimizers.SGD(settings.learning_rate, momentum=0.9, weight_decay=decay),
    }
    if settings.optimizer not in made:
        raise InvalidInput(f"there is no optimizer {settings.optimizer!r}", hint=f"Known: {', '.join(made)}.")
    optimizer = made[settings.optimizer]()
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _equal_parts(order: Any, size: int) -> list[Any]:
    """Consecutive parts of at most ``size``, as equal as can be: batch statistics over a rest of one mean nothing."""
    import numpy as np

    return np.array_split(order, -(-len(order) // size))


def _copies(kind: str, variables: Any) -> dict[str, NDArray[Any]]:
    return {f"{kind}/{index:04d}": variable.numpy().copy() for index, variable in enumerate(variables)}


def _assign(kind: str, variables: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"{kind}/{index:04d}"])
