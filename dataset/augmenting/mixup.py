"""Mixup: between two samples of the training part, with a label between theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["as_weighted_rows", "mixup", "one_hot"]


def mixup(
    x: NDArray[np.floating[Any]], soft: NDArray[np.floating[Any]], rng: np.random.Generator, *, alpha: float = 0.2
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mix every row with another one of the same batch; both come out mixed by the same share.

    Give it rows of the training part only: embeddings, or what goes into an embedder.

    Args:
        alpha: of the symmetric Beta distribution that the shares come from; near 0 leaves rows nearly as they are,
            1 makes every share equally likely. 0 changes nothing.
    Input: x float (n, ...), soft float (n, classes), rows sum to 1 (see ``one_hot``).
    Returns: float32 arrays of the same shapes; rows of the second sum to 1.
    Raises: InvalidInput: alpha below 0, or as many labels as rows are not there.
    Source: Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization"; one share for each row.
    """
    import numpy as np

    if not 0 <= alpha < np.inf:
        raise InvalidInput(f"mixup cannot take alpha {alpha:g}", hint="0.1 to 0.4 is usual.")
    if len(x) != len(soft) or soft.ndim != 2:
        raise InvalidInput(f"{len(x)} rows came with labels of shape {soft.shape}", hint="One row of shares for each.")
    if alpha == 0 or len(x) < 2:
        return np.array(x, np.float32), np.array(soft, np.float32)
    share = rng.beta(alpha, alpha, len(x))
    partner = rng.permutation(len(x))
    wide = share.reshape(-1, *[1] * (x.ndim - 1))
    mixed = wide * x + (1 - wide) * x[partner]
    labels = share[:, None] * soft + (1 - share[:, None]) * soft[partner]
    return mixed.astype(np.float32), labels.astype(np.float32)


def one_hot(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float32]:
    """Labels (n,) as float32 (n, classes) of zeros and ones. Raises: InvalidInput: a label is none of the classes."""
    import numpy as np

    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise InvalidInput(f"a label is not between 0 and {classes - 1}")
    return np.asarray(np.eye(classes, dtype=np.float32)[labels])


def as_weighted_rows(
    x: NDArray[np.float32], soft: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Soft labels for a learner that takes hard ones and weights: a row for each class with a share in it.

    Cross-entropy is linear in the label, so the loss of the rows together is that of the soft label.
    Returns: x (m, ...), labels int64 (m,), weights float32 (m,); the weights of each input row sum to 1.
    """
    import numpy as np

    rows, classes = np.nonzero(soft)
    return x[rows], classes.astype(np.int64), soft[rows, classes]
