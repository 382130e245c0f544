"""Variants of the training part: made on the fly or as files, never samples of their own. The face of this room."""

from dataset.augmenting.augmenter import DatasetAugmenter
from dataset.augmenting.boxes import KnownBoxes, known_boxes
from dataset.augmenting.manifest import is_augmented_folder
from dataset.augmenting.medium import Medium, note_reader, open_medium
from dataset.augmenting.mixup import as_weighted_rows, mixup, one_hot
from dataset.augmenting.recipe import Recipe, Variant
from dataset.augmenting.rows import AugmentedBlobs, TrainingRow, TrainingRows

__all__ = [
    "AugmentedBlobs",
    "DatasetAugmenter",
    "KnownBoxes",
    "Medium",
    "Recipe",
    "TrainingRow",
    "TrainingRows",
    "Variant",
    "as_weighted_rows",
    "is_augmented_folder",
    "known_boxes",
    "mixup",
    "note_reader",
    "one_hot",
    "open_medium",
]
