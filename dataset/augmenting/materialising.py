"""Variants as a folder of files: compared with what is there, then made; a killed run is gone on with."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset.augmenting.manifest import FOLDER_NOTE, HIDDEN, MANIFEST, FileRow, Journal, encode_csv, write_atomically
from dataset.augmenting.naming import stems
from dataset.augmenting.pool import Job, run_jobs, usable_cores
from dataset.augmenting.recipe import ORIGINAL, Variant
from dataset.entries import Entry
from ecosight.errors import AlreadyRunning, Conflict, Unavailable

if TYPE_CHECKING:
    from dataset.augmenting.augmenter import DatasetAugmenter
    from ecosight.ports import Progress

__all__ = ["MaterialisePlan", "MaterialiseReport", "materialise", "plan_folder"]

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialisePlan:
    """What a folder needs to become the variants of a version.

    Attributes:
        jobs: what is to be made, a job for each sample. kept: rows of files that are there and stay.
        removed: files of an earlier run that belong to it no more.
    """

    jobs: Sequence[Job]
    kept: Sequence[FileRow]
    removed: Sequence[str]

    def figures(self) -> dict[str, Any]:
        """How many files, and of which techniques: a JSON object."""
        made = Counter(variant.technique for job in self.jobs for variant, _ in job.files)
        return {
            "files": made.total() + len(self.kept),
            "to_make": made.total(),
            "kept": len(self.kept),
            "to_remove": len(self.removed),
            "techniques": dict(sorted((made + Counter(row.technique for row in self.kept)).items())),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialiseReport:
    """What was done.

    Attributes:
        files: in the folder now. written, kept, removed: of these, or of an earlier run.
        failed: samples that could not be varied, each with its error as a dict.
        left_out: samples of the training part that are not augmented as their group is on two sides.
    """

    folder: str
    version: str
    recipe: str
    samples: int
    files: int
    written: int
    kept: int
    removed: int
    failed: Sequence[Mapping[str, Any]]
    left_out: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def plan_folder(augmenter: DatasetAugmenter, folder: Path, *, originals: bool = True) -> MaterialisePlan:
    """Compare what should be in a folder with what is; changes nothing.

    Raises: Conflict: something else lies there, or variants by another recipe or of another dataset.
    """
    _check_folder(augmenter, folder)
    known = Journal(folder).rows()
    wanted = list(_wanted(augmenter, originals))
    kept, jobs = [], []
    for job in wanted:
        fresh = []
        for variant, file in job.files:
            row = known.get(file)
            if row is not None and row.identity == _identity(job, variant, file) and _is_whole(folder, row):
                kept.append(row)
            else:
                fresh.append((variant, file))
        if fresh:
            jobs.append(Job(entry=job.entry, files=tuple(fresh), basis=job.basis, marks=job.marks))
    files = {file for job in wanted for _, file in job.files}
    return MaterialisePlan(jobs=jobs, kept=kept, removed=sorted(set(known) - files))


def materialise(
    augmenter: DatasetAugmenter,
    folder: Path,
    progress: Progress,
    *,
    workers: int | None = None,
    originals: bool = True,
) -> MaterialiseReport:
    """Write all variants of a version's training part into ``<folder>/<label>/<recording>_<variant>``, and a manifest.

    A file is there whole or not at all. Killed at any moment and run again, it goes on where it was and ends with the
    same bytes. With a newer version of the dataset, what is missing is made, and what is no more in it is removed.

    Args:
        workers: processes; None takes every core.
        originals: whether each sample itself is written too, as ``<recording>_original``.
    Returns: what was done; a sample that cannot be varied never stops the others.
    Raises: as ``plan_folder``, ``DatasetAugmenter.read`` and ``run_jobs``. AlreadyRunning: another process is at work
        there. Cancelled: stopped between two samples; what was made stays.
    """
    _check_folder(augmenter, folder)
    with _locked(folder):
        _sweep(folder)
        write_atomically(folder / FOLDER_NOTE, _note(augmenter))
        plan = plan_folder(augmenter, folder, originals=originals)
        journal = Journal(folder)
        journal.replace(plan.kept)
        (folder / MANIFEST).unlink(missing_ok=True)  # none is better than one that lies
        for file in plan.removed:
            (folder / file).unlink(missing_ok=True)
        written, failed = _make(augmenter, plan, folder, journal, progress, workers or usable_cores())
        rows = [*plan.kept, *written]
        write_atomically(folder / MANIFEST, encode_csv(rows))
    return MaterialiseReport(
        folder=str(folder),
        version=str(augmenter.version.ref),
        recipe=augmenter.digest,
        samples=len(augmenter.entries),
        files=len(rows),
        written=len(written),
        kept=len(plan.kept),
        removed=len(plan.removed),
        failed=failed,
        left_out=len(augmenter.left_out),
    )


def _make(
    augmenter: DatasetAugmenter, plan: MaterialisePlan, folder: Path, journal: Journal, progress: Progress, workers: int
) -> tuple[list[FileRow], list[dict[str, Any]]]:
    written: list[FileRow] = []
    failed: list[dict[str, Any]] = []
    total = sum(len(job.files) for job in plan.jobs)

    def read(job: Job) -> bytes:
        return augmenter.read(job.entry.sample_id)

    results = run_jobs(plan.jobs, read, augmenter.maker, folder, workers=min(workers, len(plan.jobs)))
    with progress.task("augmenting", total, "files") as task, closing(results):
        for result in results:
            journal.add(result.rows)
            written += result.rows
            if result.error is not None:
                entry = result.job.entry
                failed.append({"sample": entry.sample_id, "source": entry.source, "error": result.error.as_dict()})
            task.advance(len(result.job.files), failed=len(failed))
            progress.checkpoint()
    return written, failed


def _wanted(augmenter: DatasetAugmenter, originals: bool) -> Iterator[Job]:
    """Every file that belongs in the folder."""
    names = stems(augmenter.entries)
    suffix = augmenter.medium.suffix
    for entry in augmenter.entries:
        marks = augmenter.marks_of(entry.sample_id)
        variants = augmenter.maker.variants_of(entry.sample_id)
        if originals:
            variants = [_original(entry), *variants]
        files = tuple((each, f"{names[entry.sample_id]}_{each.name}{suffix}") for each in variants)
        yield Job(entry=entry, files=files, basis=augmenter.basis(entry.sample_id), marks=marks)


def _original(entry: Entry) -> Variant:
    return Variant(sample_id=entry.sample_id, number=0, technique=ORIGINAL, name=ORIGINAL, seed=0)


def _identity(job: Job, variant: Variant, file: str) -> tuple[str, ...]:
    entry = job.entry
    return (file, entry.label, entry.group, entry.part, entry.sample_id, variant.name, job.basis)


def _is_whole(folder: Path, row: FileRow) -> bool:
    """Renamed into place whole, so its size tells whether something else has changed it."""
    path = folder / row.file
    return path.is_file() and path.stat().st_size == row.size_bytes


def _note(augmenter: DatasetAugmenter) -> bytes:
    told = {
        "format": _FORMAT,
        "dataset": augmenter.version.ref.name,
        "version": augmenter.version.ref.version,
        "version_digest": augmenter.version.ref.digest,
        "medium": augmenter.medium.identity,
        "recipe": asdict(augmenter.recipe),
        "recipe_digest": augmenter.digest,
        "about": "Variants of the training part. They are no samples: never ingest them, never test on them.",
    }
    return json.dumps(told, indent=1, sort_keys=True).encode()


def _check_folder(augmenter: DatasetAugmenter, folder: Path) -> None:
    note = folder / FOLDER_NOTE
    if not note.is_file():
        # A process that was killed in its first moment leaves no more than these two.
        ours = (HIDDEN, f".{FOLDER_NOTE}.*.partial")
        if folder.exists() and not (folder.is_dir() and all(any(map(each.match, ours)) for each in folder.iterdir())):
            raise Conflict(f"{folder} is not empty", hint="Name a new folder, or one that this command made.")
        return
    told = json.loads(note.read_text("utf-8"))
    if told.get("dataset") != augmenter.version.ref.name or told.get("recipe_digest") != augmenter.digest:
        raise Conflict(
            f"{folder} holds variants of {told.get('dataset')!r} by another recipe",
            hint="Name another folder, or delete this one: variants can be made again at any time.",
        )


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half written."""
    for partial in folder.glob("**/.*.partial"):
        partial.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the lock is gone with the process that held it."""
    try:
        (folder / HIDDEN).mkdir(parents=True, exist_ok=True)
        file = (folder / HIDDEN / "lock").open("w")
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}", hint="Name another folder.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(f"another process is making variants in {folder}", hint="Wait for it.") from None
        yield
