"""Owns laying out a version as a folder of files, ``PART/LABEL/NAME``, and keeping such a folder up to date.

Files are hard links to the blobs where the disk allows it (read-only, since they are the blobs), else copies. Each
appears whole or not at all. What is about to be written is noted first, so a checkout that was killed goes on where
it was; and a file that is neither noted nor right was written by someone else, and stays.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset.folders.file_names import file_names
from dataset.folders.notes import STATE, locked, note, noted, temporary_file, write_file
from dataset.folders.planning import Plan, in_the_way, plan_of
from dataset.storing.blob_files import local_path, read_only
from dataset.storing.manifests import DatasetVersion
from ecosight.errors import Conflict, IntegrityError, Unavailable
from ecosight.ids import content_digest

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Progress

__all__ = ["CheckoutReport", "checkout"]

_INDEX = "samples.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutReport:
    """What was done, or would be: files ``written`` (of them ``linked``), ``kept`` as they were, and ``removed``."""

    version: str
    folder: str
    written: int
    linked: int
    kept: int
    removed: int

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def checkout(
    version: DatasetVersion,
    folder: Path,
    blobs: BlobStore,
    progress: Progress,
    *,
    copy: bool = False,
    verify: bool = True,
    force: bool = False,
    dry_run: bool = False,
    called: str = "",
) -> CheckoutReport:
    """Make a folder hold exactly a version's files, and ``samples.csv``, which ``ecosight ingest`` reads.

    Run again after it was killed, or with another version, it changes what differs.

    Args:
        copy: copies even where links could be made, or are. verify: read every file and compare it with its digest.
        force: also replace and remove files that someone else wrote or changed.
        called: the version's name in the report and in the folder; see ``DatasetRepository.shown``.
    Raises: Conflict: files are in the way that this did not write; nothing was changed. AlreadyRunning: another
        checkout into this folder is under way. IntegrityError, NotFound: a sample's bytes. Unavailable: the disk.
    """
    wanted, index = _wanted(version)
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True) if not dry_run else None
        with locked(folder, dry_run):
            ours = noted(folder)
            plan = plan_of(folder, wanted, ours, verify=verify, copy=copy)
            if plan.foreign and not force:
                raise in_the_way(folder, plan.foreign)
            linked = 0
            if not dry_run:
                note(folder, "pending", wanted, ours)
                linked = _apply(folder, plan, wanted, index, blobs, progress, copy=copy, verify=verify)
                note(folder, "files", wanted, {})
                write_file(folder / STATE / "checkout.json", _described(version, called), folder)
                (folder / STATE / "pending.json").unlink(missing_ok=True)
    return CheckoutReport(
        version=called or str(version.ref),
        folder=str(folder),
        written=len(plan.write),
        linked=linked,
        kept=len(plan.keep),
        removed=len(plan.remove),
    )


def _wanted(version: DatasetVersion) -> tuple[dict[str, str], bytes]:
    """Path -> digest of every file, and the bytes of the index."""
    names = file_names(version)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("path", "label", "group", "part", "sample_id"))
    for entry in version.entries:
        writer.writerow((names[entry.sample_id], entry.label, entry.group, entry.part, entry.sample_id))
    index = text.getvalue().encode()
    return {path: digest for digest, path in names.items()} | {_INDEX: content_digest(index)}, index


def _apply(
    folder: Path,
    plan: Plan,
    wanted: Mapping[str, str],
    index: bytes,
    blobs: BlobStore,
    progress: Progress,
    *,
    copy: bool,
    verify: bool,
) -> int:
    linked, made = 0, set()
    with progress.task("checkout", len(plan.write) + len(plan.remove), "files") as task:
        for path in plan.write:
            place = folder / path
            if place.parent not in made:
                _make_way(folder, place.parent)
                made.add(place.parent)
            if path == _INDEX:
                write_file(place, index, folder)
            else:
                linked += _place(place, wanted[path], blobs, folder, copy=copy, verify=verify)
            task.advance(1)
            progress.checkpoint()
        for path in plan.remove:
            (folder / path).unlink(missing_ok=True)
            for parent in list((folder / path).relative_to(folder).parents)[:-1]:
                with suppress(OSError):  # not empty
                    (folder / parent).rmdir()
            task.advance(1)
    return linked


def _make_way(folder: Path, parent: Path) -> None:
    """Make the folder; with ``force``, what stood there instead was allowed to go."""
    for each in [*reversed(parent.relative_to(folder).parents[:-1]), parent.relative_to(folder)]:
        place = folder / each
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
        place.mkdir(exist_ok=True)


def _place(place: Path, digest: str, blobs: BlobStore, folder: Path, *, copy: bool, verify: bool) -> bool:
    """Put a sample's bytes at a path. Returns whether it is a link."""
    source = None if copy else local_path(blobs, digest)
    if source is not None and source.is_file():
        if verify and content_digest(source.read_bytes()) != digest:
            raise IntegrityError(f"the stored bytes of {digest} are damaged", hint="`ecosight dataset fsck` lists all.")
        temporary = temporary_file(folder)
        try:
            read_only(source)
            os.link(source, temporary)
            os.replace(temporary, place)
            return True
        except OSError:  # another disk, or one that knows no links
            pass
        finally:
            # Replacing a file by another name of itself does nothing at all: the temporary name is left then.
            temporary.unlink(missing_ok=True)
    write_file(place, blobs.get(digest), folder)
    return False


def _described(version: DatasetVersion, called: str) -> bytes:
    told = {"version": called or str(version.ref), "digest": version.ref.digest, "samples": len(version.entries)}
    return json.dumps(told, indent=1).encode()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except IsADirectoryError as error:
        raise Conflict(
            f"in {folder} a folder stands where a file of the version belongs: {error.filename2 or error.filename}",
            hint="Move it away, and check out again.",
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise Conflict(
            f"{folder} cannot be a folder: {error.filename or folder} is a file", hint="Choose another folder."
        ) from error
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be written: {error.strerror or error}",
            hint="Free some space on that disk, or check who may write there.",
        ) from error
