"""Owns looking into a source: which annotation files it has, and where a file that one of them names really is."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from dataset.readers.encoded import encoding_of
from ecosight.errors import InvalidInput

__all__ = ["NOTES", "Source", "within"]

_DEPTH = 4
"""Levels of folders in which annotation files are looked for; the source itself is the first."""
_HEAD_BYTES = 64 * 1024
NOTES = frozenset({".csv", ".json", ".names", ".txt", ".tsv", ".xml", ".yaml", ".yml"})
"""Endings of annotation files."""
_BESIDE = frozenset({"annotations", "labels", "meta", "metadata", "selections"})
"""Folders of annotations, whose files name what lies in the folder above."""
_MACHINE_PATH = re.compile(r"^(?:[A-Za-z]:)?/|^[A-Za-z][A-Za-z0-9+.-]*://")


class Source:
    """A folder, or one annotation file, that labelled files are read from.

    Attributes:
        path: as the user named it. root: the folder that holds everything; nothing outside of it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        folder = path if path.is_dir() else path.parent
        beside = folder is not path and folder.name.lower() in _BESIDE and folder.parent != folder
        self.root = folder.parent if beside else folder
        self._named: set[Path] = set()
        self._guessed: dict[Path, set[str]] = defaultdict(set)
        self._contested: frozenset[Path] = frozenset()

    def notes(self, *suffixes: str) -> list[Path]:
        """Annotation files with these endings: the source itself, or those at most three folders below it, in order."""
        return [path for path in self._notes if path.suffix.lower() in suffixes]

    def find(self, told: str, *, near: Sequence[Path] = ()) -> Path:
        """The regular file that an annotation names.

        Args:
            told: a path relative to the root or to one of ``near``; of a path of another machine the last folders
                count, as far as they are here too, and else only the name. If a relative path is not there, its name
                counts too, since folders are renamed; but see ``settle``.
        Raises: InvalidInput: it is not there, leads out of the root, or several files have its name.
        """
        clean = told.strip().replace("\\", "/")
        if not clean or "\0" in clean:
            raise InvalidInput("no file is named" if not clean else f"{told[:80]!r} is no file name")
        if _MACHINE_PATH.match(clean):
            guess = self.called(clean)
            if self._has_folders(guess, clean):
                self._named.add(guess)
                return guess
            return self._guess(guess, "/".join(clean.split("/")[-2:]), told)
        inside = [path for folder in (*near, self.root) if (path := within(self.root, folder, clean)) is not None]
        if not inside:
            raise InvalidInput(f"{told[:200]!r} leads out of {self.root.name or self.root}")
        if there := next((path for path in inside if os.path.isfile(path)), None):
            self._named.add(there)
            return there
        return self._guess(self.called(clean), posixpath.normpath(clean), told)

    def settle(self) -> bool:
        """After all was read: whether files were found by their names alone that are another's. Then read again.

        Of ``cam1/0001.jpg`` and ``cam2/0001.jpg`` the first may be missing: the second is not taken for it.
        """
        several = (path for path, names in self._guessed.items() if path in self._named or _differ(names))
        found = frozenset(several) - self._contested
        self._contested |= found
        return bool(found)

    def called(self, told: str) -> Path:
        """The one file below the root with this name, or else with this name before its ending.

        Of several, the one whose folders the path names too.
        """
        name = _composed(posixpath.basename(told))
        stem = posixpath.splitext(name)[0]
        paths = self._by_name.get(name) or [p for p in self._by_name_less_ending.get(stem, []) if not _is_note(p)]
        if len(paths) > 1:
            paths = [path for path in paths if self._has_folders(path, told)] or paths
        if len(paths) == 1:
            return paths[0]
        if paths:
            raise InvalidInput(f"{len(paths)} files are called {name[:200]!r}")
        raise InvalidInput(f"there is no file {told[:200]!r}")

    def stemmed(self, stem: str) -> Path | None:
        """The one file below the root that has this name before its ending; None where there is none, or several."""
        paths = [path for path in self._by_name_less_ending.get(_composed(stem), []) if not _is_note(path)]
        return paths[0] if len(paths) == 1 else None

    def beside(self, note: Path, stem: str, *, near: Sequence[Path] = ()) -> Path | None:
        """The nearest file with this name before its ending, for an annotation file that names none.

        Looked for in ``near`` and the annotation's own folder, then in and below each folder above it. None where there
        is none, or several are as near. Where its own folder holds files of the kind, no other folder's is taken: each
        of ``north`` and ``south`` may have its ``1.wav``, and one be missing.
        """
        paths = [path for path in self._by_name_less_ending.get(_composed(stem), []) if not _is_note(path)]
        above = [folder for folder in note.parents if folder == self.root or self.root in folder.parents]
        for folder in (*near, note.parent):
            if there := [path for path in paths if path.parent == folder]:
                return there[0] if len(there) == 1 else None
        for folder in above:
            there = [path for path in paths if path.parent == folder] or [p for p in paths if folder in p.parents]
            if there:
                elsewhere = folder != note.parent and there[0].suffix.lower() in self._endings_in(note.parent)
                return there[0] if len(there) == 1 and not elsewhere else None
        return None

    def media(self) -> Iterator[Path]:
        """All files below the root that are no annotation files, in the order of their paths."""
        return (path for paths in sorted(self._by_name.values()) for path in sorted(paths) if not _is_note(path))

    def below(self, suffix: str) -> list[Path]:
        """All files below the root with this ending, however deep, in the order of their paths."""
        return sorted(path for paths in self._by_name.values() for path in paths if path.suffix.lower() == suffix)

    @staticmethod
    def head(path: Path) -> str:
        """The beginning of a text file, for a look; bytes that are none are replaced."""
        try:
            with path.open("rb") as file:
                return file.read(_HEAD_BYTES).decode(encoding_of(path), "replace")
        except OSError:
            return ""

    @staticmethod
    def tail(path: Path) -> str:
        """The end of a text file."""
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _HEAD_BYTES))
                return file.read(_HEAD_BYTES).decode(encoding_of(path), "replace")
        except OSError:
            return ""

    def _guess(self, path: Path, named: str, told: str) -> Path:
        """A file that was found by its name alone, for the path that was told."""
        if path in self._contested:
            raise InvalidInput(f"there is no file {told[:200]!r}; the one of that name belongs to other annotations")
        self._guessed[path].add(named)
        return path

    def _has_folders(self, path: Path, told: str) -> bool:
        """Whether the folders of one path are the last ones of the other: ``cam1/1.wav``, ``C:/data/cam1/1.wav``."""
        there = posixpath.dirname(path.relative_to(self.root).as_posix())
        wanted = posixpath.dirname(posixpath.normpath(told))
        shorter, longer = sorted((there, wanted), key=len)
        return bool(shorter) and ("/" + longer).endswith("/" + shorter.lstrip("/"))

    def _endings_in(self, folder: Path) -> set[str]:
        return self._endings.get(folder, set())

    @cached_property
    def _endings(self) -> dict[Path, set[str]]:
        """Folder -> the endings of its own files."""
        found: dict[Path, set[str]] = defaultdict(set)
        for path in self.media():
            found[path.parent].add(path.suffix.lower())
        return found

    @cached_property
    def _notes(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted(_files(self.path, _DEPTH, NOTES))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in _files(self.root):
            found[_composed(path.name)].append(path)
        return found

    @cached_property
    def _by_name_less_ending(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for paths in self._by_name.values():
            for path in paths:
                found[_composed(path.stem)].append(path)
        return found


def within(root: Path, folder: Path, told: str) -> Path | None:
    """``told`` relative to a folder; None where that leads out of the root. Links are not looked at."""
    path = os.path.normpath(folder / told)
    inside = os.path.join(os.path.abspath(root), "")
    return Path(path) if (os.path.abspath(path) + os.sep).startswith(inside) else None


def _composed(name: str) -> str:
    """A file copied from a Mac has its accents as characters of their own; to people it is the same name."""
    return unicodedata.normalize("NFC", name)


def _differ(names: Collection[str]) -> bool:
    """Whether these paths cannot all be of one file: not all are the end of the longest."""
    longest = "/" + max(names, key=len)
    return not all(longest.endswith("/" + name) for name in names)


def _is_note(path: Path) -> bool:
    return path.suffix.lower() in NOTES


def _files(root: Path, depth: int = 64, suffixes: Collection[str] = ()) -> Iterator[Path]:
    """Regular files below a folder that are not hidden, perhaps with these endings only.

    Links to folders are followed, each folder once.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        level = len(Path(folder).relative_to(root).parts)
        if real in seen or level >= depth:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if name.startswith(".") or (suffixes and os.path.splitext(name)[1].lower() not in suffixes):
                continue
            if os.path.isfile(path := os.path.join(folder, name)):
                yield Path(path)
