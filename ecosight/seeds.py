"""One root seed, and independent child streams found by name.

A child depends on the root and its own name alone, so adding a new random step
never changes what the others draw.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["child_seed", "generator"]


def child_seed(root: int, *names: str | int) -> int:
    """A 31-bit seed for the stream ``names`` under ``root`` (TensorFlow takes no larger one)."""
    text = "\x1f".join([str(root), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF


def generator(root: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for the stream ``names`` under ``root``."""
    import numpy as np

    return np.random.default_rng(child_seed(root, *names))
