"""Which device trains, and what makes a training repeatable on it."""

from __future__ import annotations

from ecosight.errors import Unavailable
from ecosight.logs import native_stderr_held_back

__all__ = ["load_tensorflow", "make_repeatable", "training_device"]


def training_device(num_gpus: int) -> str:
    """The device to train on: ``/CPU:0`` for no GPU, ``/GPU:0`` for one.

    Raises: Unavailable: more GPUs are asked for than this machine has, or than one process trains on.
    """
    if num_gpus == 0:
        return "/CPU:0"
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    if num_gpus > len(found):
        names = ", ".join(each.name for each in found)
        has = f"has {len(found)}: {names}" if found else "has none that TensorFlow sees"
        raise Unavailable(
            f"{_gpus(num_gpus)} asked for, but this machine {has}",
            hint=f"Set training.num_gpus to {min(len(found), 1)}" + ("." if found else " to train on the CPU."),
            asked=num_gpus,
            available=len(found),
        )
    if num_gpus > 1:
        raise Unavailable(
            f"{_gpus(num_gpus)} asked for, but training on several devices at once is not available yet",
            hint="Set training.num_gpus to 1.",
            asked=num_gpus,
            available=len(found),
        )
    return "/GPU:0"


def load_tensorflow() -> None:
    """Import TensorFlow and Keras, without the lines about this machine's processor that they greet with."""
    with native_stderr_held_back():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


def make_repeatable(seed: int) -> None:
    """Make TensorFlow's operations deterministic and seed every global random stream of this process.

    The same training on the same machine and versions then gives the same weights, bit for bit.
    """
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def _gpus(number: int) -> str:
    return "1 GPU is" if number == 1 else f"{number} GPUs are"
