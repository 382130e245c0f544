"""Finds what goes wrong with a model: asks it about labelled samples and analyses its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataset.entries import Entry
    from ecosight.ports import BlobStore, Modality, Progress, Servable
    from evaluation.errors import ErrorAnalysis
    from evaluation.errors.media import ReadMedia
    from pipeline.wiring import Workbench

__all__ = ["ErrorReview", "review_errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReview:
    """What came out, and what it was found in."""

    model: str
    data: str
    analysis: ErrorAnalysis
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        head = {"model": self.model, "data": self.data, "files": list(self.files)}
        return head | {"analysis": self.analysis.as_dict()}

    def lines(self) -> list[str]:
        from evaluation.errors import error_lines

        told = [f"{self.model} on {self.data}", *error_lines(self.analysis)]
        return told + (["", *(f"wrote {file}" for file in self.files)] if self.files else [])


def review_errors(
    bench: Workbench, *, model: str, data: str, output: Path | None, most: int, progress: Progress
) -> ErrorReview:
    """Analyse a model's mistakes.

    Args:
        model: an alias, a version number, or a folder with a servable artifact.
        data: ``NAME@vN/PART``, a folder or CSV of labelled files, or empty for the newest test part.
        output: folder for errors.json, review.json, review.csv and errors.html, or None.
        most: samples on the review list.
    Raises: NoModel, NotFound: there is no such model or data. InvalidInput: no file can be read, or nothing can be
        written into ``output``; that is tried first.
        NotEnoughData: there are no samples.
    """
    from evaluation.errors import analyse_errors, write_errors
    from evaluation.measuring import answer
    from evaluation.output import require_writable
    from pipeline.assess import find_data, find_model

    require_writable(output)
    servable, shown = find_model(bench, model)
    test = find_data(bench, data, progress)
    answers = answer(servable, test.entries, test.blobs, progress, model=shown, caveats=test.caveats)
    taught = _trained_on(bench, servable, test.entries)
    analysis = analyse_errors(answers, seed=bench.config.project.seed, trained_on=taught, most=most)
    files = write_errors(analysis, output, _reader(bench.modality, test.blobs)) if output else []
    return ErrorReview(model=shown, data=test.name, analysis=analysis, files=tuple(map(str, files)))


def _trained_on(bench: Workbench, servable: Servable, entries: list[Entry]) -> frozenset[str]:
    """Sample ids and groups that the model was trained on, as far as they can be known.

    Where the artifact's dataset version is not here, a sample's own part is the next best sign.
    """
    from evaluation.taught import learned_from

    learned = learned_from(servable.info, bench.datasets.get)
    own = [] if learned.version else [entry for entry in entries if entry.part == "train"]
    return learned.train | {entry.sample_id for entry in own} | {entry.group for entry in own}


def _reader(modality: Modality, blobs: BlobStore) -> ReadMedia:
    def read(sample_id: str) -> tuple[str, bytes]:
        data = blobs.get(sample_id)
        return modality.inspect(data).media_type, data

    return read
