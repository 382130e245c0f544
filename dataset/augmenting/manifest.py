"""What lies in a folder of variants: one row a file, journalled while it is made, as a CSV once it is whole."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["FOLDER_NOTE", "HIDDEN", "MANIFEST", "FileRow", "Journal", "is_augmented_folder", "write_atomically"]

MANIFEST = "augmented.csv"
FOLDER_NOTE = "augmented.json"
"""Says of which dataset and by which recipe the folder was made, from before the first file is in it."""
HIDDEN = ".augmenting"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of a folder of variants.

    Attributes:
        file: path in the folder, with slashes. The column is not called ``path``, so that the manifest is not mistaken
            for a list of samples to ingest: variants are none.
        label, group, part: inherited from the parent; the part is always ``train``. parent: the sample's id.
        variant, technique: ``pitch_up_2`` and ``pitch_up``. parameters, marks: JSON. seed: hex.
        basis: digest of what decided the contents: recipe, techniques, marks. digest, size_bytes: of the file.
    """

    file: str
    label: str
    group: str
    part: str
    parent: str
    variant: str
    technique: str
    parameters: str
    marks: str
    seed: str
    basis: str
    digest: str
    size_bytes: int

    @property
    def identity(self) -> tuple[str, ...]:
        """What must be unchanged for the file to be kept."""
        return (self.file, self.label, self.group, self.part, self.parent, self.variant, self.basis)


_COLUMNS = tuple(field.name for field in fields(FileRow))


def is_augmented_folder(folder: Path) -> bool:
    """Whether a folder, or one above it, was made by the augmenter: nothing in it is a new sample."""
    place = folder.resolve()
    # os.path: of a folder that may not be entered, Path.is_file raises an error of its own.
    return any(os.path.isfile(each / FOLDER_NOTE) and os.path.isdir(each / HIDDEN) for each in (place, *place.parents))


class Journal:
    """The rows of the files that are whole. A row is in it after its file; a torn last line counts as never written.

    One process at a time writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / HIDDEN / "journal.jsonl"

    def rows(self) -> dict[str, FileRow]:
        """File -> its newest row."""
        try:
            lines = self._path.read_text("utf-8", "replace").split("\n")[:-1]
        except FileNotFoundError:
            return {}
        found = [row for row in map(_parsed, lines) if row is not None]
        return {row.file: row for row in found}

    def add(self, rows: Iterable[FileRow]) -> None:
        """Append rows; when this returns they survive a crash."""
        text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
        with self._path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def replace(self, rows: Sequence[FileRow]) -> None:
        """Begin anew with these rows; also ends a torn line."""
        text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
        write_atomically(self._path, text.encode())


def encode_csv(rows: Iterable[FileRow]) -> bytes:
    """The manifest, in order of the files: the same rows are the same bytes."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.file))
    return buffer.getvalue().encode()


def write_atomically(path: Path, data: bytes) -> None:
    """The file is there whole or not at all; a process that is killed leaves at most a ``.partial``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name[:80]}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _parsed(line: str) -> FileRow | None:
    try:
        row: dict[str, Any] = json.loads(line)
        return FileRow(**row)
    except (ValueError, TypeError):  # torn, or of another version: the file is made again
        return None
