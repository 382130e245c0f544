"""The augmenter of one dataset version: its variants as a sequence, one by one, or as a folder of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset.augmenting.guard import check_backgrounds, check_originals, train_entries
from dataset.augmenting.making import BACKGROUND, Made, VariantMaker
from dataset.augmenting.medium import Medium
from dataset.augmenting.recipe import Recipe, Variant
from dataset.augmenting.rows import AugmentedBlobs, TrainingRows
from ecosight.errors import NotFound

if TYPE_CHECKING:
    from dataset.augmenting.materialising import MaterialiseReport
    from dataset.versions import DatasetVersion
    from ecosight.ports import BlobStore, Progress

__all__ = ["DatasetAugmenter"]


class DatasetAugmenter:
    """Varies the training part of a dataset version, and nothing else. Thread-safe.

    Variants are never samples: they have no entry in any version and count towards no trigger. Each carries the id of
    its parent, and its label and group. The same sample and recipe give the same bytes, in any order and process.

    Args:
        medium: knows what the samples are; see ``open_medium``.
        recipe: None takes five variants by the medium's own techniques.
        backgrounds: bytes of recordings from the user's own stations, for the technique ``background``. With no
            recipe they take the place of synthetic noise.
        techniques: ready ones by name, beside the plug-ins.
        marks: sample id -> what is known about places in it (for pictures ``[{"box": [x0, y0, x1, y1], "label": …}]``);
            see ``known_boxes``.
        only: ids of samples, if not the whole training part.
    Raises: Refused: a sample or a background that a model is measured on, or that is an augmented file.
        NotFound, InvalidInput: the recipe.

    Attributes:
        entries: what is augmented. left_out: samples of the training part that are not, as their group is also in
            another part; see ``train_entries``.
    """

    def __init__(
        self,
        version: DatasetVersion,
        blobs: BlobStore,
        medium: Medium,
        recipe: Recipe | None = None,
        *,
        backgrounds: Sequence[bytes] = (),
        techniques: Mapping[str, Callable[..., Any]] | None = None,
        marks: Mapping[str, Any] | None = None,
        only: Iterable[str] | None = None,
    ) -> None:
        self.version, self.medium = version, medium
        self.recipe = recipe or Recipe(techniques=default_techniques(medium, background=bool(backgrounds)))
        self.entries, self.left_out = train_entries(version, only)
        check_backgrounds(version, backgrounds, medium)
        self.maker = VariantMaker(medium, self.recipe, backgrounds=backgrounds, techniques=techniques)
        self._blobs, self._marks = blobs, dict(marks or {})
        self._by_id = {entry.sample_id: entry for entry in (*self.entries, *self.left_out)}

    @property
    def digest(self) -> str:
        """Of the recipe and all its techniques; see ``VariantMaker.digest``."""
        return self.maker.digest

    def rows(self, *, originals: bool = True) -> TrainingRows:
        """Everything to learn from: each sample of the training part, its variants behind it. Made when looked at."""
        return TrainingRows(self, originals=originals)

    def blobs(self) -> AugmentedBlobs:
        """The bytes behind the keys of ``rows``, for a feature store."""
        return AugmentedBlobs(self)

    def read(self, sample_id: str) -> bytes:
        """The raw file of a sample of the training part.

        Raises: Refused: it is an augmented file itself. NotFound: it is not in the training part.
        """
        entry = self._by_id.get(sample_id)
        if entry is None:
            raise NotFound(
                f"{sample_id[:80]} is no sample of the training part of {self.version.ref}",
                hint="Variants are made of the training part only.",
            )
        data = self._blobs.get(sample_id)
        check_originals(self.version, entry, data, self.medium)
        return data

    def check_varied(self, sample_id: str) -> None:
        """Raises: Refused: the sample may be learned from, but not augmented."""
        if any(entry.sample_id == sample_id for entry in self.left_out):
            train_entries(self.version, [sample_id])

    def marks_of(self, sample_id: str) -> Any:
        return self._marks.get(sample_id)

    def basis(self, sample_id: str) -> str:
        """Digest of what decides a sample's variants beside its bytes: the recipe, and the marks."""
        marks = json.dumps(self.marks_of(sample_id), sort_keys=True)
        return hashlib.sha256(f"{self.digest} {marks}".encode()).hexdigest()[:32]

    def key(self, variant: Variant) -> str:
        """The sample's id, the recipe's digest and the variant's name; where these are the same, the bytes are.

        Of a sample with marks, its ``basis`` stands for the recipe: a crop goes where the boxes let it.
        """
        sample_id = variant.sample_id
        decided = self.digest[:32] if self.marks_of(sample_id) is None else self.basis(sample_id)
        return f"{sample_id}/{decided}/{variant.name}"

    def make(self, sample_id: str) -> Generator[Made]:
        """The variants of one sample, one after the other. Raises: as ``read`` and ``VariantMaker.make``."""
        self.check_varied(sample_id)
        return self.maker.make(self.read(sample_id), self.maker.variants_of(sample_id), self.marks_of(sample_id))

    def materialise(
        self, folder: Path, progress: Progress, *, workers: int | None = None, originals: bool = True
    ) -> MaterialiseReport:
        """Write all variants into a folder; see ``dataset.augmenting.materialising.materialise``."""
        from dataset.augmenting.materialising import materialise

        return materialise(self, folder, progress, workers=workers, originals=originals)


def default_techniques(medium: Medium, *, background: bool) -> tuple[str, ...]:
    """The medium's own techniques; recorded background takes the place of synthetic noise where there is some."""
    if not background:
        return medium.defaults
    return tuple(BACKGROUND if slot.startswith("noise") else slot for slot in medium.defaults)
