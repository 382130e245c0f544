"""Owns the one door through which labelled bytes become samples: checked, stored, entered once.

Bytes stay in memory, in quarantine, until label and content were found good; then the blob is stored; then the
row is entered. A crash in between leaves at most a blob that nobody refers to, and the next try uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from dataset.labels import check_group, check_label, composed, shown_name
from dataset.storing.blob_files import FreshBlobs
from ecosight.errors import Conflict, InvalidInput, MediaTooLarge
from ecosight.ids import content_digest
from ecosight.values import Sample

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Clock, Modality
    from ecosight.state.samples import SampleStore

__all__ = ["Intake", "Receipt", "Staged"]


_LEARNED = ("boxes",)
"""Facts that a sample takes on later too: a picture may have come in before it was annotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a sample. Of a duplicate, ``sample`` is the one that was there first."""

    sample: Sample
    status: Literal["accepted", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A sample that was found good and whose bytes are stored, but which is not entered yet.

    ``known`` is the entered sample with the same bytes, if there was one at that time.
    """

    sample: Sample
    known: Sample | None


class Intake:
    """Takes in labelled bytes, for ``ecosight ingest`` and for uploads alike. Thread-safe.

    Args:
        modality: reads the bytes; the only part that knows what they are.
        group_pattern: regular expression searched in the file name. Its first group, or all that it
            matched, names the recording; where it matches nothing, each file is a recording of its own.
        note_in: tells the note of a file that augmentation made; None takes such files in as any other.
    """

    def __init__(
        self,
        modality: Modality,
        blobs: BlobStore,
        samples: SampleStore,
        *,
        group_pattern: str | None,
        clock: Clock,
        note_in: Callable[[bytes], str | None] | None = None,
    ) -> None:
        self._note_in = note_in
        # Bytes that lie there already, and that nothing needed so far, must not be collected before the row is written.
        self._blobs: BlobStore = blobs if isinstance(blobs, FreshBlobs) else FreshBlobs(blobs)
        self._modality, self._samples, self._clock = modality, samples, clock
        self._pattern = _compiled(group_pattern) if group_pattern else None
        # A modality may say how large is too large, so that a file is refused before it is read.
        self.max_bytes: int | None = getattr(modality, "max_bytes", None)

    def accept(
        self,
        data: bytes,
        *,
        label: str,
        source: str,
        group: str | None = None,
        captured_at: datetime | None = None,
        origin: str,
    ) -> Receipt:
        """Check the bytes and their label, store them, enter the sample. Durable when it returns.

        Args:
            source: the file's name as it was told; shown, searched for the group, never used as a path.
            group: the recording, if it is known; else ``group_pattern`` decides.
            captured_at: aware; None takes the moment of coming in.
            origin: ``ingest`` or ``upload``.
        Returns: ``accepted``, or ``duplicate`` for bytes that are known with this label. Of several
            threads or processes that bring the same bytes at once, exactly one is told ``accepted``.
        Raises: InvalidInput: the label or the group, or the bytes are an augmented copy. MediaTooLarge,
            UnsupportedMedia, UnreadableMedia: the bytes.
            Conflict: the bytes are known with another label.
        """
        staged = self.stage(data, label=label, source=source, group=group, captured_at=captured_at)
        return self.enter(staged, origin=origin)

    def stage(
        self,
        data: bytes,
        *,
        label: str,
        source: str,
        group: str | None = None,
        captured_at: datetime | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Staged:
        """The first half of ``accept``: all that may run in parallel, up to the stored blob.

        Args:
            facts: what is known besides, such as the station; kept with the details that the modality finds.
        """
        label, name = check_label(label), shown_name(source)
        group = check_group(group) if group else self.group_of(name)
        digest = content_digest(data)
        known = self._samples.get(digest)
        if known is None:
            # Known bytes were decoded when they came first; only new ones cost a decoding.
            self.check_size(len(data))
            self._check_original(data)
            details = {**self._modality.inspect(data).details, **(facts or {})}
        else:
            learned = {name: value for name, value in (facts or {}).items() if name in _LEARNED}
            details = {**learned, **known.details}
        if known is None or not self._blobs.has(digest):
            self._blobs.put(data)
        sample = Sample(
            id=digest,
            medium=self._modality.name,
            captured_at=captured_at or self._clock.now(),
            source=name,
            group=group or digest,
            size_bytes=len(data),
            label=label,
            details=details,
        )
        return Staged(sample=sample, known=known)

    def enter(self, staged: Staged, *, origin: str) -> Receipt:
        """The second half of ``accept``: enter the row, or find out who was first."""
        sample = staged.sample
        if staged.known is None and self._samples.add(sample, origin=origin):
            return Receipt(sample=sample, status="accepted")
        first = staged.known or self._samples.get(sample.id) or sample
        if first.label != sample.label:
            raise Conflict(
                f"these bytes are known as {first.label!r} already, they cannot also be {sample.label!r}",
                hint=f"The label that came first was kept ({first.source}).",
                sample_id=sample.id,
                kept=first.label,
                refused=sample.label,
            )
        learned = {name: sample.details[name] for name in _LEARNED if name in sample.details}
        if learned.keys() - first.details.keys():
            first = self._samples.learn(first.id, learned) or first
        return Receipt(sample=first, status="duplicate")

    def group_of(self, name: str) -> str | None:
        """The recording that a file name tells of, or None where no pattern matches."""
        match = self._pattern.search(composed(name)) if self._pattern else None
        if match is None:
            return None
        found = match.group(1) if match.re.groups and match.group(1) else match.group(0)
        return check_group(found) if found.strip() else None

    @property
    def modality(self) -> Modality:
        return self._modality

    @property
    def has_pattern(self) -> bool:
        return self._pattern is not None

    def check_size(self, size_bytes: int) -> None:
        """Raises: MediaTooLarge: more bytes than the modality takes."""
        if self.max_bytes is not None and size_bytes > self.max_bytes:
            raise MediaTooLarge(
                f"the file has {size_bytes:,} bytes, more than the {self.max_bytes:,} that are allowed",
                hint="Cut it into shorter pieces.",
                size_bytes=size_bytes,
                max_bytes=self.max_bytes,
            )

    def _check_original(self, data: bytes) -> None:
        """Raises: InvalidInput: the file says that it is a varied copy; its sample may be in any part."""
        note = None if self._note_in is None else self._note_in(data)
        if note is not None:
            raise InvalidInput(
                f"the file is an augmented copy ({note[:120]!r}), which is never a sample of its own",
                hint="Take in the recording that it was made of; a training makes such copies by itself.",
                note=note[:500],
            )


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(
            f"the group pattern {pattern!r} is no regular expression: {error}", hint=r"Such as '^(\w+)-'."
        ) from error
