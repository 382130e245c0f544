"""A project on real stores, with the smallest honest modality: notes, which are lines of UTF-8 text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataset.intake import Intake
from dataset.versions import DatasetRepository
from ecosight.blobs import LocalBlobs
from ecosight.clock import SystemClock
from ecosight.errors import UnreadableMedia, UnsupportedMedia
from ecosight.state.database import Database, open_database
from ecosight.state.refs import DatabaseRefs
from ecosight.state.samples import SampleStore
from ecosight.values import MediaInfo

RATIOS = {"train": 0.72, "val": 0.13, "test": 0.15}


class Notes:
    """Reads ``note: some words``; counts how often it had to decode."""

    name = "note"
    extensions = frozenset({".note"})
    max_bytes = 1000

    def __init__(self) -> None:
        self.decoded = 0

    def inspect(self, data: bytes) -> MediaInfo:
        self.decoded += 1
        if not data.startswith(b"note:"):
            raise UnsupportedMedia("this is no note", hint="A note begins with note:")
        try:
            words = data.decode().split()
        except UnicodeDecodeError as error:
            raise UnreadableMedia("the note is not UTF-8") from error
        return MediaInfo(media_type="text/plain", size_bytes=len(data), details={"words": len(words) - 1})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # no embedder, no model: datasets need neither


class Project:
    """The rooms' objects over one folder. Opening a second one is what another process would do."""

    def __init__(self, folder: Path, *, pattern: str | None = None, ratios: dict[str, float] | None = None) -> None:
        self.modality = Notes()
        self.db: Database = open_database(f"sqlite:///{folder / 'ecosight.db'}")
        self.blobs = LocalBlobs(folder / "blobs")
        self.refs = DatabaseRefs(self.db)
        self.samples = SampleStore(self.db)
        self.intake = Intake(
            self.modality,  # type: ignore[arg-type]
            self.blobs,
            self.samples,
            group_pattern=pattern,
            clock=SystemClock(),
        )
        self.repository = DatasetRepository(
            self.blobs, self.refs, name="main", ratios=ratios or RATIOS, seed=7, clock=SystemClock()
        )


@pytest.fixture
def open_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    opened: list[Project] = []

    def make(**options: Any) -> Project:
        opened.append(Project(tmp_path / "project", **options))
        return opened[-1]

    yield make
    for project in opened:
        project.db.close()


@pytest.fixture
def project(open_project: Callable[..., Project]) -> Project:
    return open_project()


@pytest.fixture
def write_notes(tmp_path: Path) -> Callable[..., Path]:
    """Write ``folder/<label>/<name>.note`` for each label -> names, and return the folder."""

    def write(files: dict[str, list[str]], folder: str = "source") -> Path:
        for label, names in files.items():
            for name in names:
                path = tmp_path / folder / label / f"{name}.note"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"note: {label} {name}")
        return tmp_path / folder

    return write
