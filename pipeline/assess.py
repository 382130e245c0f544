"""Measures a model for people: finds the model and the labelled files, runs the one on the other."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dataset.entries import PARTS
from ecosight.artifact import DESCRIPTION_FILE
from ecosight.errors import InvalidInput, NoModel, NotFound

if TYPE_CHECKING:
    from dataset.versions import Entry
    from ecosight.ports import BlobStore, Progress, Servable
    from evaluation.classification import ClassificationReport
    from evaluation.gates import GateDecision
    from evaluation.predictions import Predictions
    from evaluation.speed import SpeedReport
    from evaluation.taught import Taught
    from pipeline.wiring import Workbench

__all__ = ["Assessment", "TestData", "assess", "find_data", "find_model"]


class TestData(NamedTuple):
    """Labelled samples, where their bytes are, their name for people, and what is wrong with them on purpose.

    ``version``: digest of the dataset version whose test part they are; empty where they are something else.
    """

    entries: list[Entry]
    blobs: BlobStore
    name: str
    caveats: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What came out, and what it was measured on."""

    model: str
    data: str
    embedder: str
    report: ClassificationReport
    taught: Taught
    speed: SpeedReport | None = None
    decision: GateDecision | None = None
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"model": self.model, "data": self.data, "embedder": self.embedder}
        told |= {"files": list(self.files), "report": self.report.as_dict(), "taught": self.taught.as_dict()}
        told |= {} if self.speed is None else {"speed": self.speed.as_dict()}
        return told | ({} if self.decision is None else {"gates": self.decision.as_dict()})

    def lines(self) -> list[str]:
        from evaluation.gates import gate_lines
        from evaluation.report import report_lines
        from evaluation.speed import speed_lines

        lines = [f"{self.model} (embedder: {self.embedder}) on {self.data}", *report_lines(self.report)]
        lines += [] if self.speed is None else speed_lines(self.speed)
        lines += [] if self.decision is None else gate_lines(self.decision)
        return [*lines, *(f"wrote {file}" for file in self.files)]


def assess(
    bench: Workbench,
    *,
    model: str,
    data: str,
    output: Path | None,
    progress: Progress,
    speed: bool | None = None,
    gates: bool = False,
) -> Assessment:
    """Measure a model from raw files to labels.

    Args:
        model: an alias, a version number, or a folder with a servable artifact.
        data: ``NAME@vN/PART``, a folder or CSV of labelled files, or empty for the newest test part.
        output: folder for report.json, the figures and the page, or None.
        speed: whether speed is measured too; None takes ``evaluation.benchmark_fps``.
        gates: whether the gate is asked if this model could become champion; nothing is promoted.
    Raises: NoModel, NotFound: there is no such model or data. InvalidInput: no file can be read, or nothing can be
        written into ``output``; that is tried first.
    """
    from evaluation.measuring import answer
    from evaluation.output import require_writable
    from evaluation.speed import measure_speed, samples_for_speed
    from evaluation.taught import taught_among

    require_writable(output)
    folder, shown = _find_folder(bench, model)
    servable = _load(bench, folder)
    test = find_data(bench, data, progress)
    config, taught = bench.config, taught_among(servable.info, test.entries, bench.datasets.get, own=test.version)
    answered = answer(servable, test.entries, test.blobs, progress, model=shown, caveats=test.caveats, taught=taught)
    report = answered.report(bootstrap_samples=config.evaluation.bootstrap_samples, seed=config.project.seed)
    measured, decision = None, None
    if gates:
        decision, measured = _ask_gates(bench, folder, (report, answered), test, progress)
    if measured is None and (config.evaluation.benchmark_fps if speed is None else speed):
        (measured,) = measure_speed([folder], samples_for_speed(test.entries, test.blobs), config, progress)
    told = Assessment(
        model=shown,
        data=test.name,
        embedder=_embedder(servable),
        report=report,
        taught=taught,
        speed=None if speed is False else measured,
        decision=decision,
    )
    return replace(told, files=_write(told, output)) if output else told


def find_model(bench: Workbench, model: str) -> tuple[Servable, str]:
    """A loaded model and its name for people, from an alias, a version number, a ``models:/`` URI or a folder."""
    folder, shown = _find_folder(bench, model)
    return _load(bench, folder), shown


def _load(bench: Workbench, folder: Path) -> Servable:
    return bench.modality.load_servable(folder, engine=bench.config.serving.engine)


def _find_folder(bench: Workbench, model: str) -> tuple[Path, str]:
    if not model.strip():  # a variable that is not set, and not the current folder
        raise InvalidInput("no model is named", hint="An alias, a version number, a models:/ URI, or a folder.")
    folder = Path(model)
    if folder.is_dir():
        if not (folder / DESCRIPTION_FILE).is_file():
            raise NoModel(f"the folder {folder} holds no servable model", hint=f"Name one with {DESCRIPTION_FILE}.")
        return folder, str(folder)
    if not model.startswith("models:/") and folder.name != model:  # a path; no alias has a slash
        raise NoModel(f"there is no model folder {model!r}", hint=f"A model folder holds {DESCRIPTION_FILE}.")
    ref = bench.registry.named(model)
    if ref is None:
        raise NoModel(
            f"no registered model carries the alias {model!r}",
            hint="`ecosight train` trains and registers one; or name a version number, a models:/ URI or a folder.",
        )
    return bench.registry.fetch(ref), str(ref)


def _ask_gates(
    bench: Workbench,
    folder: Path,
    measured: tuple[ClassificationReport, Predictions],
    test: TestData,
    progress: Progress,
) -> tuple[GateDecision, SpeedReport | None]:
    from training.judging import LabelledPart, judge

    judged = judge(
        bench.retraining,
        folder,
        measured,
        bench.registry.champion(),
        LabelledPart(entries=test.entries, blobs=test.blobs, caveats=test.caveats, version=test.version),
        progress,
        min_accuracy=bench.config.retraining.min_accuracy,
        engine=bench.config.serving.engine,
    )
    return judged.decision, judged.speed


def find_data(bench: Workbench, data: str, progress: Progress) -> TestData:
    """Labelled samples from ``NAME@vN/PART``, a folder or a CSV.

    Empty ``data`` is the test part of the newest version.

    Raises: NotFound: there is no such version, part, file or folder. InvalidInput: the folder holds no labelled files.
    """
    source = Path(data)
    if data and source.exists():
        entries, blobs = _read_folder(bench, source, progress)
        return TestData(entries, blobs, str(source))
    version_name, _, part = data.partition("/")
    part = part or "test"
    hint = "Name a folder, a CSV, or a part of a dataset such as main@v3/test."
    no_file = NotFound(f"there is no file or folder {data!r}", hint=hint)
    if "/" in part or (data.startswith("/") and part not in PARTS):
        raise no_file  # two slashes, or one that leads: no version has such a name
    try:
        version = bench.datasets.get(version_name or None)
    except NotFound as error:
        raise (no_file if _looks_like_path(data, part) else error) from None
    if part not in PARTS:
        raise NotFound(f"there is no part {part!r}", hint="Parts are train, val and test, as in main@v3/test.")
    own = version.ref.digest if part == "test" else ""
    return TestData(list(version.part(part)), bench.blobs, f"{version.ref}/{part}", version.caveats, own)


def _looks_like_path(data: str, part: str) -> bool:
    """Whether what names no version was meant as a file or a folder."""
    return data.lower().endswith(".csv") or "\\" in data or ("/" in data and (part not in PARTS or data[0] in "./~"))


def _read_folder(bench: Workbench, source: Path, progress: Progress) -> tuple[list[Entry], BlobStore]:
    """Labelled files that are measured only, and never stored."""
    from dataset.readers.readable import readable_bytes
    from dataset.reading import find_recordings
    from dataset.versions import Entry
    from ecosight.ids import content_digest

    files: dict[str, Path] = {}
    entries = []
    for found in find_recordings(source, bench.modality.extensions):
        data = readable_bytes(found.path)
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


def _write(told: Assessment, output: Path) -> tuple[str, ...]:
    from evaluation.output import writing
    from evaluation.plots import write_plots
    from evaluation.report import write_report

    files = [write_report(told.report, output)]
    for name, found in (("speed.json", told.speed), ("gate.json", told.decision)):
        if found is not None:
            files.append(output / name)
            with writing(output):
                files[-1].write_text(json.dumps(found.as_dict(), indent=2, allow_nan=False) + "\n", "utf-8")
    files += write_plots(told.report, output, history=None, decision=told.decision, speed=told.speed)
    return tuple(str(file) for file in files)


def _embedder(servable: Servable) -> str:
    return str(dict(servable.info.get("embedder", {})).get("name", "unknown"))
