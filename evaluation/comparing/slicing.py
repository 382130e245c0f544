"""Owns the subsets of a test part over which models are compared: classes, and slices by facts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from evaluation.comparing.aligning import Aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_SLICES", "class_masks", "shared_mask", "slice_masks"]

MOST_SLICES = 50
"""Of a fact with more values than this, the most frequent are compared."""


def class_masks(part: Aligned) -> dict[str, NDArray[np.bool_]]:
    """Label -> its samples, bool (n,), of the classes that are there."""
    masks = {label: part.truth == place for place, label in enumerate(part.labels)}
    return {label: mask for label, mask in masks.items() if mask.any()}


def slice_masks(part: Aligned) -> tuple[dict[tuple[str, str], NDArray[np.bool_]], list[str]]:
    """(fact, value) -> its samples, and a sentence for each fact of which not all values are compared.

    A fact that has one value for all samples slices nothing, and is left out.
    """
    masks: dict[tuple[str, str], NDArray[np.bool_]] = {}
    notes = []
    for fact, values in part.facts.items():
        counts = Counter(values)
        if len(counts) < 2:
            continue
        kept = [value for value, _ in counts.most_common(MOST_SLICES)]
        if len(counts) > MOST_SLICES:
            notes.append(f"{fact} has {len(counts)} values, of which the {MOST_SLICES} most frequent are compared")
        column = np.array(values, object)
        masks |= {(fact, value): np.asarray(column == value, np.bool_) for value in sorted(kept)}
    return masks, notes


def shared_mask(part: Aligned, first: int, second: int) -> NDArray[np.bool_] | None:
    """Samples whose class both models know, bool (n,); None where they know the same classes."""
    if part.known[first] == part.known[second]:
        return None
    both = part.known[first] & part.known[second]
    return np.isin(part.truth, [place for place, label in enumerate(part.labels) if label in both])
