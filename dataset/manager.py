"""The face of datasets: named versions, what they hold, and adding to them. Also runs as a script.

``python dataset/manager.py --create-version v1.1.0 --add-data ./annotations --splits 0.7,0.2,0.1``

A dataset has one history of immutable versions (main@v1, main@v2, …). A named version such as ``v1.1.0`` is a name
for a point in it. It begins as what the newest version holds, and is open until the next name is made: what is
added to it becomes a new version of the history, and the name moves there. A closed name never moves again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dataset.augmenting import DatasetAugmenter, note_reader
from dataset.contents import Dataset
from dataset.ingest import IngestReport, ingest_found
from dataset.intake import Intake
from dataset.lines.tags import NamedVersion
from dataset.parting.near_pairs import pairs_of_project
from dataset.reading import Found, survey
from dataset.splitting import DatasetSplitter, Ratios
from dataset.versions import DatasetRepository, DatasetVersion, Entry
from ecosight.clock import SystemClock
from ecosight.config import Config, load_config
from ecosight.errors import InvalidInput, NotFound
from ecosight.progress import NullProgress

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Modality, Progress, RefStore
    from ecosight.state.samples import SampleStore

__all__ = [
    "Dataset",
    "DatasetAugmenter",
    "DatasetManager",
    "DatasetSplitter",
    "DatasetVersion",
    "NamedVersion",
    "open_part",
]

AnnotationLike = str | Mapping[str, Any]
"""A label, or ``{"label": …, "group": …}``."""


class DatasetManager:
    """Creates named versions and adds labelled files to them. Owns its connections: close it, or use ``with``.

    Args:
        base_path: folder below which everything local lies; None takes ``project.root`` of the configuration.
            A database or a bucket that is configured by its address stays where it is.
        config: None reads ``config.yaml`` and the environment.
    """

    def __init__(self, base_path: Path | str | None = None, *, config: Config | None = None) -> None:
        from ecosight.blobs import open_blobs
        from ecosight.plugins import open_modality
        from ecosight.state.database import open_database
        from ecosight.state.refs import DatabaseRefs
        from ecosight.state.samples import SampleStore

        settings = config or load_config()
        if base_path is not None:
            project = settings.project.model_copy(update={"root": Path(base_path)})
            settings = settings.model_copy(update={"project": project})
        self.config = settings
        self.modality: Modality = open_modality(settings)
        self.blobs: BlobStore = open_blobs(settings)
        self._database = open_database(settings.database_url)
        self.samples: SampleStore = SampleStore(self._database)
        pattern = settings.dataset.group_pattern
        self.intake = Intake(
            self.modality,
            self.blobs,
            self.samples,
            group_pattern=pattern,
            clock=SystemClock(),
            note_in=note_reader(settings),
        )
        self.repository = open_repository(settings, self.blobs, DatabaseRefs(self._database))

    def create_version(self, name: str, description: str = "", splits: Ratios | None = None) -> NamedVersion:
        """Name the newest version, and open the name for additions; closes the name before.

        Calling it again with the same arguments changes nothing.

        Args:
            splits: target shares of train, val and test for the groups that are added under this name, by name, in
                this order or as text (``70/20/10``); None takes the configured ones. Groups of earlier versions keep
                their part whatever is asked here.
        Raises: InvalidInput: name or splits. Conflict: the name is taken, with another meaning.
        """
        ratios = DatasetSplitter(self.repository.ratios if splits is None else splits, seed=0).ratios
        head = self.repository.head()
        return self.repository.tags.create(
            name, description=description, splits=ratios, version=head.ref.digest if head else None
        )

    def add_samples(
        self,
        version_id: str | NamedVersion,
        paths: Iterable[Path | str],
        annotations: Sequence[AnnotationLike] | Mapping[Any, AnnotationLike],
        *,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Add labelled files to an open named version.

        Args:
            annotations: one for each path, in their order, or a mapping from path to annotation.
        Returns: what was done with each file; a bad file never stops the others.
        Raises: NotFound, Conflict: no such name, or it is closed. InvalidInput: annotations do not fit the paths.
        """
        files = [Path(path) for path in paths]
        found = [_found(path, note) for path, note in zip(files, _aligned(files, annotations), strict=True)]
        return self._add(version_id, found, message=None, progress=progress)

    add_images = add_samples

    def add_folder(
        self,
        version_id: str | NamedVersion,
        source: Path | str,
        *,
        format: str = "",
        progress: Progress | None = None,
    ) -> IngestReport:
        """Add a folder with one folder for each class, or a CSV with path, label and perhaps group.

        Args:
            format: the source's layout, where it is not clear; see ``dataset.reading.survey``.
        """
        seen = survey(Path(source), self.modality.extensions, format=format)
        return self._add(version_id, seen.found, message=f"add {Path(source).name}", progress=progress)

    def get_version(self, name: str | int | None = None) -> Dataset:
        """A named version, a version of the history (``3``, ``v3``, ``main@v3``, a digest), or the newest.

        Raises: NotFound: there is none, or it holds no samples yet.
        """
        version = self.repository.get(name)
        return Dataset(str(name or version.ref), version, self.blobs)

    def versions(self) -> list[NamedVersion]:
        """All named versions, in the order of their making."""
        return self.repository.tags.all()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(
        self,
        version_id: str | NamedVersion,
        found: Sequence[Found],
        *,
        message: str | None,
        progress: Progress | None,
    ) -> IngestReport:
        name = version_id if isinstance(version_id, str) else version_id.name
        tag = self.repository.tags.require_open(name)
        report = ingest_found(
            found,
            intake=self.intake,
            repository=self.repository,
            message=f"{name}: {message or tag.description or 'add samples'}",
            progress=progress or NullProgress(),
            ratios=tag.splits,
        )
        if report.version is not None:
            self.repository.tags.move(name, report.version.digest)
        return report


def open_repository(config: Config, blobs: BlobStore, refs: RefStore) -> DatasetRepository:
    """The dataset that a configuration names. Its commits keep near-duplicates on one side."""
    repository = DatasetRepository(
        blobs,
        refs,
        name=config.dataset.name,
        ratios={str(part): share for part, share in config.dataset.splits.items()},
        seed=config.project.seed,
        clock=SystemClock(),
    )
    repository.near_duplicates = pairs_of_project(repository, config)
    return repository


def open_part(config: Config, reference: str) -> tuple[list[Entry], BlobStore, tuple[str, ...]]:
    """The entries behind ``main@v3/test`` or ``v1.0.0/test``, where their bytes are, and the version's caveats.

    This is the plug-in ``versions`` of the family ``ecosight.datasets``.
    Raises: NotFound: there is no such version or part.
    """
    from ecosight.blobs import open_blobs
    from ecosight.state.database import open_database
    from ecosight.state.refs import DatabaseRefs

    version, _, part = reference.partition("/")
    blobs = open_blobs(config)
    database = open_database(config.database_url)
    try:
        repository = open_repository(config, blobs, DatabaseRefs(database))
        found = repository.get(version or None)
        return list(found.part(part or "test")), blobs, found.caveats
    except NotFound as error:
        where = f"It was looked for under {config.root} (project.root)."
        raise NotFound(error.message, hint=f"{error.hint} {where}".strip(), **error.context) from error
    finally:
        database.close()


def _aligned(
    files: Sequence[Path], annotations: Sequence[AnnotationLike] | Mapping[Any, AnnotationLike]
) -> list[AnnotationLike]:
    if isinstance(annotations, Mapping):
        by_path = {str(Path(path)): note for path, note in annotations.items()}
        missing = [str(file) for file in files if str(file) not in by_path]
        if missing:
            raise InvalidInput(
                f"{len(missing)} files have no annotation: {', '.join(missing[:10])}", hint="Give each path a label."
            )
        return [by_path[str(file)] for file in files]
    if isinstance(annotations, str) or len(annotations) != len(files):
        count = 1 if isinstance(annotations, str) else len(annotations)
        raise InvalidInput(f"{len(files)} files came with {count} annotations", hint="Give one label for each file.")
    return list(annotations)


def _found(path: Path, note: AnnotationLike) -> Found:
    if isinstance(note, str):
        return Found(path=path, label=note)
    label = note.get("label", note.get("class")) if isinstance(note, Mapping) else None
    if not isinstance(label, str):
        raise InvalidInput(f"the annotation of {path.name} has no label", hint='Such as {"label": "fox"}.')
    group = note.get("group")
    return Found(path=path, label=label, group=None if group is None else str(group))


if __name__ == "__main__":
    from dataset.script import main

    sys.exit(main())
