"""What a trainer learns from: rows with keys, and the bytes behind the keys, made when they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from dataset.augmenting.recipe import ORIGINAL
from dataset.entries import Entry
from ecosight.errors import NotFound, Refused

if TYPE_CHECKING:
    from dataset.augmenting.augmenter import DatasetAugmenter

__all__ = ["AugmentedBlobs", "TrainingRow", "TrainingRows"]

_KEPT_SAMPLES = 16
"""Samples whose bytes stay in memory: the variants of one are asked for one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """What a trainer learns from: a sample of the training part, or a variant of one.

    Attributes:
        key: names the row for good; the sample's id where it is the sample itself. With the embedder's digest it is
            the key of a cached embedding.
        label, group: those of the sample. parent: the sample's id. variant: its name, ``original`` for the sample.
    """

    key: str
    label: str
    group: str
    parent: str
    variant: str


class TrainingRows(Sequence[TrainingRow]):
    """The rows of an augmenter, in order of the sample id; originals that are left out come last. Immutable."""

    def __init__(self, augmenter: DatasetAugmenter, *, originals: bool) -> None:
        self._augmenter, self._originals = augmenter, originals
        self._each = augmenter.maker.count + originals
        self._rest = augmenter.left_out if originals else []

    def __len__(self) -> int:
        return self._each * len(self._augmenter.entries) + len(self._rest)

    @overload
    def __getitem__(self, index: int) -> TrainingRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingRow]: ...
    def __getitem__(self, index: int | slice) -> TrainingRow | list[TrainingRow]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index, varied = index % len(self), self._each * len(self._augmenter.entries)
        if index >= varied:
            return _original(self._rest[index - varied])
        sample, number = divmod(index, self._each)
        return self._of(self._augmenter.entries[sample])[number]

    def __iter__(self) -> Iterator[TrainingRow]:
        for entry in self._augmenter.entries:
            yield from self._of(entry)
        yield from map(_original, self._rest)

    def _of(self, entry: Entry) -> list[TrainingRow]:
        variants = self._augmenter.maker.variants_of(entry.sample_id)
        made = [_row(entry, self._augmenter.key(each), each.name) for each in variants]
        return [_original(entry), *made] if self._originals else made


class AugmentedBlobs:
    """The bytes of rows by their key, made when they are asked for: a ``BlobStore`` that can only be read.

    Given to a feature store in place of the project's blobs, it makes embeddings of variants cached ones: by sample,
    recipe and variant (the key) and by embedder (the file they lie in). Thread-safe.
    """

    def __init__(self, augmenter: DatasetAugmenter) -> None:
        self._augmenter = augmenter
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        """The bytes of a row. Raises: NotFound: no row of this augmenter has that key; see also ``make``."""
        sample_id, *rest = key.split("/")
        data = self._sample(sample_id)
        if not rest:
            return data
        augmenter = self._augmenter
        augmenter.check_varied(sample_id)
        for variant in augmenter.maker.variants_of(sample_id):
            if augmenter.key(variant) == key:
                return next(augmenter.maker.make(data, [variant], augmenter.marks_of(sample_id))).data
        raise NotFound(f"no variant has the key {key[:200]!r}", hint="Keys are those of DatasetAugmenter.rows().")

    def has(self, digest: str) -> bool:
        try:
            return bool(self.get(digest))
        except NotFound:
            return False

    def digests(self) -> Iterator[str]:
        return (row.key for row in self._augmenter.rows())

    def put(self, data: bytes) -> str:
        raise Refused("variants are made, never stored here", hint="Give the trainer the project's own blobs to write.")

    def delete(self, digest: str) -> None:
        raise Refused("variants are made when they are asked for, so there is none to delete")

    def _sample(self, sample_id: str) -> bytes:
        with self._lock:
            known = self._recent.get(sample_id)
            if known is not None:
                return known
        data = self._augmenter.read(sample_id)
        with self._lock:
            self._recent[sample_id] = data
            while len(self._recent) > _KEPT_SAMPLES:
                self._recent.popitem(last=False)
        return data


def _original(entry: Entry) -> TrainingRow:
    return _row(entry, entry.sample_id, ORIGINAL)


def _row(entry: Entry, key: str, variant: str) -> TrainingRow:
    return TrainingRow(key=key, label=entry.label, group=entry.group, parent=entry.sample_id, variant=variant)
