"""Owns how augmentation enters a training: what the plan says about it, and the rows that a head learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecosight.config import Config
from ecosight.errors import Conflict, InputError
from ecosight.logs import get_logger
from ecosight.plugins import plugin_names
from ecosight.ports import BlobStore, Modality, Progress
from training.features import FeatureBatch, FeatureStore
from training.parts import RetrainingParts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dataset.augmenting import DatasetAugmenter, Recipe
    from dataset.versions import DatasetVersion

__all__ = ["NO_VARIANTS", "VariantRows", "check_recipe", "plan_augmentation", "variant_rows"]

NO_VARIANTS: Mapping[str, Any] = {"variants": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRows:
    """What is learned from beside the training part itself.

    Attributes:
        x: float32 (n, dimension), the features of variants of samples of the training part, and of no others.
        labels: of the variants, those of their samples.
        of_sample: sample id -> how many variants it has; a sample that may not be varied is not in it.
        cached, computed: how many features were known, and how many were made now.
    """

    x: NDArray[np.float32]
    labels: tuple[str, ...]
    of_sample: Mapping[str, int]
    cached: int
    computed: int


def plan_augmentation(config: Config) -> dict[str, Any]:
    """The recipe of a configuration, with the digest of all that decides what a variant is; JSON.

    Returns: ``{"variants": 0}`` where nothing is varied: switched off, no variants, or a kind of sample that nobody
        wrote techniques for.
    Raises: NotFound: there is no such technique. InvalidInput: the recipe.
    """
    from dataset.augmenting.medium import MEDIA

    section = config.dataset
    if not section.augmentation or not section.augmentation_variants:
        return dict(NO_VARIANTS)
    if config.project.modality not in plugin_names(MEDIA):
        get_logger("training").info("nothing is augmented: no techniques are known", modality=config.project.modality)
        return dict(NO_VARIANTS)
    from dataset.augmenting import open_medium

    techniques = section.augmentation_techniques or open_medium(config).defaults
    plan = {"variants": section.augmentation_variants, "techniques": list(techniques), "seed": config.project.seed}
    return {**plan, "recipe": _digest(config, plan)}


def check_recipe(config: Config, planned: Mapping[str, Any]) -> None:
    """Raises: Conflict: what the techniques are has changed since the job was planned."""
    if planned["variants"] and _digest(config, planned) != planned["recipe"]:
        raise Conflict(
            "this job began with techniques of augmentation that are others now",
            hint="Install what it began with to finish it, or start another.",
            recipe=planned["recipe"],
        )


def variant_rows(
    parts: RetrainingParts, version: DatasetVersion, planned: Mapping[str, Any], progress: Progress
) -> VariantRows | None:
    """Features of the variants that a plan asks for; None if it asks for none.

    A feature is made once for each sample, recipe and embedder, then kept beside the others; each batch is stored at
    once, so what was cancelled or killed goes on where it was.

    Raises: Refused: a sample is itself an augmented file. Cancelled. As ``FeatureStore.lookup``.
    """
    if not planned["variants"]:
        return None
    from dataset.augmenting import DatasetAugmenter, known_boxes, open_medium

    medium = open_medium(parts.config)
    boxes = known_boxes(version.part("train"), parts.samples, medium)
    if boxes.unfit:
        get_logger("training").warning("boxes of pictures of another size are not looked at", samples=len(boxes.unfit))
    augmenter = DatasetAugmenter(version, parts.blobs, medium, _recipe(planned), marks=boxes.marks)
    rows = augmenter.rows(originals=False)
    found = _features(parts, augmenter, [row.key for row in rows], progress)
    return VariantRows(
        x=found.vectors,
        labels=tuple(row.label for row in rows),
        of_sample=Counter(row.parent for row in rows),
        cached=found.cached,
        computed=found.computed,
    )


def _features(parts: RetrainingParts, augmenter: DatasetAugmenter, keys: list[str], progress: Progress) -> FeatureBatch:
    from dataset.augmenting.pool import usable_cores

    store = FeatureStore(
        parts.config.cache_folder / "features",
        parts.modality.embedder(),
        _Readable(augmenter.blobs(), parts.modality),
        # Making a variant takes longer than embedding it, and one thread makes one at a time. Variants are not
        # compressed as samples are: of long recordings, few fit into memory.
        batch_size=8,
        workers=min(8, max(2, usable_cores())),
        work="augmenting",
    )
    return store.lookup(keys, progress)


class _Readable:
    """Variants by their key. One that a served model would refuse, such as a soft sample made softer, is replaced
    by its sample: nothing is to be learned from what is never asked, and it is no fault of the data."""

    def __init__(self, blobs: BlobStore, modality: Modality) -> None:
        self._blobs, self._modality = blobs, modality

    def get(self, digest: str) -> bytes:
        sample_id = digest.split("/", 1)[0]
        try:
            data = self._blobs.get(digest)
            self._modality.inspect(data)
        except InputError as error:
            get_logger("training").warning("a variant cannot be learned from", key=digest, reason=error.message)
            return self._blobs.get(sample_id)
        return data

    def has(self, digest: str) -> bool:
        return self._blobs.has(digest)

    def digests(self) -> Iterator[str]:
        return self._blobs.digests()

    def put(self, data: bytes) -> str:
        return self._blobs.put(data)

    def delete(self, digest: str) -> None:
        self._blobs.delete(digest)


def _recipe(planned: Mapping[str, Any]) -> Recipe:
    from dataset.augmenting import Recipe

    return Recipe(techniques=tuple(planned["techniques"]), variants=planned["variants"], seed=planned["seed"])


def _digest(config: Config, planned: Mapping[str, Any]) -> str:
    from dataset.augmenting import open_medium
    from dataset.augmenting.making import VariantMaker

    return VariantMaker(open_medium(config), _recipe(planned)).digest
