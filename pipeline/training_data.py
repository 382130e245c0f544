"""What the training data of two models have in common and where they differ, for whoever reads an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_integration.registry import DATASET_TAG

if TYPE_CHECKING:
    from dataset.versions import DatasetRepository, DatasetVersion
    from ecosight.values import ModelRef
    from mlflow_integration.registry import ModelRegistry

__all__ = ["dataset_diff"]


def dataset_diff(
    registry: ModelRegistry, datasets: DatasetRepository, restored: ModelRef, taken_back: ModelRef
) -> Mapping[str, Any]:
    """The data of the restored model (before) against that of the one that was taken back (after).

    Returns: ``before``, ``after``: the dataset versions; ``classes``: label to samples before and after; ``added``,
        ``removed``, ``relabelled``: samples. What cannot be told is missing, and ``unknown`` says why.
    Raises: NotFound, Unavailable, IntegrityError: the registry or the versions cannot be read.
    """
    tags = {each.ref: each.tags for each in registry.versions()}
    named = [tags.get(model, {}).get(DATASET_TAG, "") for model in (restored, taken_back)]
    told = {"before": named[0] or "?", "after": named[1] or "?"}
    for model, name in zip((restored, taken_back), named, strict=True):
        if not name:
            return {**told, "unknown": f"the registry does not say which dataset version {model} learned from"}
        if name.partition("@")[0] != datasets.name:
            return {**told, "unknown": f"{model} learned from {name}, and this project holds {datasets.name!r} only"}
    before, after = (datasets.get(name) for name in named)
    return {**told, **_compared(before, after)}


def _compared(before: DatasetVersion, after: DatasetVersion) -> dict[str, Any]:
    labels = sorted({*before.class_counts, *after.class_counts})
    was, now = ({entry.sample_id: entry.label for entry in each.entries} for each in (before, after))
    return {
        "classes": {
            label: {"before": before.class_counts.get(label, 0), "after": after.class_counts.get(label, 0)}
            for label in labels
        },
        "added": len(now.keys() - was.keys()),
        "removed": len(was.keys() - now.keys()),
        "relabelled": sum(now[sample] != label for sample, label in was.items() if sample in now),
    }
