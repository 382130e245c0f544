"""Owns taking in many files at once: read and checked in parallel, entered in order, committed as one version."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset.changes import changes_from_samples
from dataset.readers.pieces import cut_piece
from dataset.reading import Found, Skipped, survey
from ecosight.errors import Conflict, InputError, UnreadableMedia
from ecosight.values import DatasetRef, Sample

if TYPE_CHECKING:
    from dataset.intake import Intake, Staged
    from dataset.versions import DatasetRepository, DatasetVersion
    from ecosight.ports import Progress

__all__ = ["IngestReport", "Tally", "enter", "ingest", "ingest_found", "shown_path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What was done with each file, and the version that came of it.

    Attributes:
        version: the newest version; None where there is none and nothing was accepted.
        created: whether this ingest made it. False: nothing was new.
        accepted: files whose samples are new. duplicates: files whose bytes were known, with the same label.
        refused: the files that could not be taken, each with its error as a dict.
        conflicts: the files whose bytes are known with another label; that one was kept.
        skipped: files of the folder that are no recordings, each with the reason.
        class_counts: of the version. unmatched: files that the group pattern did not match.
    """

    version: DatasetRef | None
    created: bool
    accepted: int
    duplicates: int
    refused: Sequence[Mapping[str, Any]] = ()
    conflicts: Sequence[Mapping[str, Any]] = ()
    skipped: Sequence[Mapping[str, Any]] = ()
    class_counts: Mapping[str, int] = field(default_factory=dict)
    unmatched: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self) | {"message": self.sentence}

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if self.version is None:
            return "nothing was accepted, so there is no version"
        made = f"made {self.version}" if self.created else f"nothing new, {self.version} stays the newest version"
        return f"{made}: {sum(self.class_counts.values())} samples in {len(self.class_counts)} classes"


def ingest(
    source: Path,
    *,
    intake: Intake,
    repository: DatasetRepository,
    message: str,
    progress: Progress,
    extensions: Collection[str],
) -> IngestReport:
    """Take in a folder or a CSV of labelled files, and commit one version with all that was found good.

    Killed at any moment and run again, it goes on: what was entered is a duplicate then, and the
    version holds all of it.

    Args:
        source, extensions: see ``dataset.reading.survey``.
        message: why the version is made.
    Returns: what was done and what was not; a bad file never stops the others.
    Raises: InvalidInput, NotFound: the source as a whole. Unavailable: a store is gone.
        Cancelled: stopped between two files.
    """
    seen = survey(source, extensions)
    return ingest_found(
        seen.found,
        skipped=seen.skipped,
        base=seen.base,
        intake=intake,
        repository=repository,
        message=message,
        progress=progress,
    )


def ingest_found(
    found: Sequence[Found],
    *,
    intake: Intake,
    repository: DatasetRepository,
    message: str,
    progress: Progress,
    skipped: Sequence[Skipped] = (),
    base: Path = Path(),
    ratios: Mapping[str, float] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> IngestReport:
    """``ingest`` for files that were found already.

    Args:
        base: paths in the report are relative to it.
        ratios, overrides: of the commit; see ``DatasetRepository.extend``.
    """
    tally = Tally(base)
    enter(tally, found, intake, progress)
    version, created = repository.head(), False
    if tally.samples:
        version, created = repository.commit_changes(
            changes_from_samples(
                tally.samples,
                station=repository.station,
                parts=tally.parts,
                annotators=tally.annotators,
                kept=repository.labels(sample.id for sample in tally.samples),
            ),
            message=message,
            ratios=ratios,
            overrides=overrides,
        )
    return tally.report(version, created=created, skipped=skipped)


def enter(tally: Tally, found: Sequence[Found], intake: Intake, progress: Progress) -> None:
    """Read files in parallel and enter them one after the other, in their order."""
    # Closed at once when the work is stopped, so that no thread is left reading.
    with progress.task("ingest", len(found), "files") as task, closing(_staged(found, intake)) as staged:
        for each, future in staged:
            tally.take(each, future, intake)
            task.advance(1, **tally.figures())
            progress.checkpoint()


class Tally:
    """Enters staged files one after the other, in the order of their paths, and counts what became of them.

    The order makes "the first label is kept" mean the same in every run.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self.samples: list[Sample] = []
        self.accepted = self.duplicates = self.unmatched = 0
        self.refused: list[dict[str, Any]] = []
        self.conflicts: list[dict[str, Any]] = []
        self.parts: dict[str, str] = {}
        self.annotators: dict[str, int] = {}

    def take(self, found: Found, staged: Future[Staged], intake: Intake) -> None:
        path = shown_path(found.path, self._base)
        try:
            receipt = intake.enter(staged.result(), origin="ingest")
        except Conflict as error:
            self.conflicts.append({"path": path, "error": error.as_dict()})
            self._note(str(error.context.get("sample_id", "")), found)
            return
        except InputError as error:
            self.refused.append({"path": path, "error": error.as_dict()})
            return
        self.samples.append(receipt.sample)
        self._note(receipt.sample.id, found)
        self.accepted += receipt.status == "accepted"
        self.duplicates += receipt.status == "duplicate"
        self.unmatched += intake.has_pattern and not found.group and intake.group_of(found.path.name) is None

    def _note(self, sample_id: str, found: Found) -> None:
        """What the source says besides, for the commit. Of bytes that come twice, the first one counts."""
        if found.part is not None:
            self.parts.setdefault(sample_id, found.part)
        if found.annotators is not None:
            self.annotators.setdefault(sample_id, found.annotators)

    def figures(self) -> dict[str, int]:
        refused = len(self.refused) + len(self.conflicts)
        return {"accepted": self.accepted, "duplicates": self.duplicates, "refused": refused}

    def report(self, version: DatasetVersion | None, *, created: bool, skipped: Sequence[Skipped]) -> IngestReport:
        """What became of all files, and the newest version."""
        return IngestReport(
            version=version.ref if version else None,
            created=created,
            accepted=self.accepted,
            duplicates=self.duplicates,
            refused=self.refused,
            conflicts=self.conflicts,
            skipped=[{"path": shown_path(each.path, self._base), "reason": each.reason} for each in skipped],
            class_counts=dict(version.class_counts) if version else {},
            unmatched=self.unmatched,
        )


def _staged(found: Sequence[Found], intake: Intake) -> Generator[tuple[Found, Future[Staged]]]:
    """The files in their order, staged by threads that run a few files ahead (so few are in memory)."""
    workers = min(8, (os.cpu_count() or 1) + 2)
    with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
        waiting: deque[tuple[Found, Future[Staged]]] = deque()
        try:
            for each in found:
                waiting.append((each, pool.submit(_stage, each, intake)))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


def _stage(found: Found, intake: Intake) -> Staged:
    said: dict[str, Any] = {"label": found.label, "captured_at": found.captured_at, "facts": found.facts}
    if found.piece is not None:
        cut = cut_piece(found, intake.modality)
        group = found.group or intake.group_of(found.path.name) or cut.whole
        return intake.stage(cut.data, source=cut.name, group=group, **said)
    try:
        intake.check_size(found.path.stat().st_size)
        data = found.path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        told = getattr(error, "strerror", None) or error
        raise UnreadableMedia(
            f"the file cannot be read: {told}", hint="Check that it is there and may be read."
        ) from error
    return intake.stage(data, source=found.path.name, group=found.group, **said)


def shown_path(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return str(path)
