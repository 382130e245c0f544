"""Measures a model for people: finds the model and the labelled files, runs the one on the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput, NoModel, NotFound

if TYPE_CHECKING:
    from dataset.versions import Entry
    from ecosight.ports import BlobStore, Progress, Servable
    from evaluation.classification import ClassificationReport
    from pipeline.wiring import Workbench

__all__ = ["Assessment", "assess", "find_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What came out, and what it was measured on."""

    model: str
    data: str
    embedder: str
    report: ClassificationReport
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        head = {"model": self.model, "data": self.data, "embedder": self.embedder, "files": list(self.files)}
        return head | {"report": self.report.as_dict()}

    def lines(self) -> list[str]:
        from evaluation.report import report_lines

        head = f"{self.model} (embedder: {self.embedder}) on {self.data}"
        return [head, *report_lines(self.report), *(f"wrote {file}" for file in self.files)]


def assess(bench: Workbench, *, model: str, data: str, output: Path | None, progress: Progress) -> Assessment:
    """Measure a model from raw files to labels.

    Args:
        model: an alias, a version number, or a folder with a servable artifact.
        data: ``NAME@vN/PART``, a folder or CSV of labelled files, or empty for the newest test part.
        output: folder for report.json and the figures, or None.
    Raises: NoModel, NotFound: there is no such model or data. InvalidInput: no file can be read.
    """
    from evaluation.evaluator import ModelEvaluator

    servable, shown = find_model(bench, model)
    entries, blobs, where = _find_data(bench, data, progress)
    evaluator = ModelEvaluator(
        servable,
        entries,
        blobs,
        bootstrap_samples=bench.config.evaluation.bootstrap_samples,
        seed=bench.config.project.seed,
    )
    report = evaluator.evaluate(progress)
    files = _write(report, output) if output else ()
    return Assessment(model=shown, data=where, embedder=_embedder(servable), report=report, files=files)


def find_model(bench: Workbench, model: str) -> tuple[Servable, str]:
    """A loaded model and its name for people, from an alias, a version number or a folder."""
    engine = bench.config.serving.engine
    folder = Path(model)
    if folder.is_dir():
        return bench.modality.load_servable(folder, engine=engine), str(folder)
    ref = bench.registry.get(model) if model.isdigit() else bench.registry.alias(model)
    if ref is None:
        raise NoModel(
            f"no registered model carries the alias {model!r}",
            hint="`ecosight train` trains and registers one; or name a version number or a folder.",
        )
    return bench.modality.load_servable(bench.registry.fetch(ref), engine=engine), str(ref)


def _find_data(bench: Workbench, data: str, progress: Progress) -> tuple[list[Entry], BlobStore, str]:
    source = Path(data)
    if data and source.exists():
        entries, blobs = _read_folder(bench, source, progress)
        return entries, blobs, str(source)
    version_name, _, part = data.partition("/")
    version = bench.datasets.get(version_name or None)
    part = part or "test"
    if part not in ("train", "val", "test"):
        raise NotFound(f"there is no part {part!r}", hint="Parts are train, val and test, as in main@v3/test.")
    return list(version.part(part)), bench.blobs, f"{version.ref}/{part}"


def _read_folder(bench: Workbench, source: Path, progress: Progress) -> tuple[list[Entry], BlobStore]:
    """Labelled files that are measured only, and never stored."""
    from dataset.reading import find_recordings
    from dataset.versions import Entry
    from ecosight.ids import content_digest

    files: dict[str, Path] = {}
    entries = []
    for found in find_recordings(source, bench.modality.extensions):
        data = found.path.read_bytes()
        digest = content_digest(data)
        if digest in files:
            continue
        files[digest] = found.path
        group = found.group or bench.intake.group_of(found.path.name) or digest
        entries.append(
            Entry(
                sample_id=digest,
                label=found.label,
                group=group,
                part="test",
                source=found.path.name,
                size_bytes=len(data),
            )
        )
    if not entries:
        raise InvalidInput(f"{source} holds no labelled files", hint="A folder for each class, or a CSV: path,label.")
    return entries, _FolderBlobs(files)


class _FolderBlobs:
    """Reads files where they lie; content-addressed for the evaluator, read-only for everyone."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def get(self, digest: str) -> bytes:
        return self._files[digest].read_bytes()

    def has(self, digest: str) -> bool:
        return digest in self._files

    def digests(self) -> Any:
        return iter(self._files)

    def put(self, data: bytes) -> str:
        raise InvalidInput("these files are only read")

    def delete(self, digest: str) -> None:
        raise InvalidInput("these files are only read")


def _write(report: ClassificationReport, output: Path) -> tuple[str, ...]:
    from evaluation.plots import write_plots
    from evaluation.report import write_report

    output.mkdir(parents=True, exist_ok=True)
    return (str(write_report(report, output)), *(str(plot) for plot in write_plots(report, output, history=None)))


def _embedder(servable: Servable) -> str:
    return str(dict(servable.info.get("embedder", {})).get("name", "unknown"))
