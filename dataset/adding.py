"""Owns what ``ecosight dataset add`` takes: files with labels, and small tables of corrections; both are staged."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataset.changes import changes_from_samples, joined, relabelled, removed
from dataset.entries import PARTS
from dataset.ingest import IngestReport, Tally, enter
from dataset.labels import check_label
from dataset.lines.branches import MAIN
from ecosight.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.intake import Intake
    from dataset.lines.staging import Stage
    from dataset.reading import Found, Skipped
    from dataset.versions import DatasetRepository
    from ecosight.ports import Progress
    from ecosight.state.samples import SampleStore

__all__ = ["read_corrections", "read_removals", "stage_found"]

_FAULTS = 10


def stage_found(
    found: Sequence[Found],
    *,
    intake: Intake,
    samples: SampleStore,
    repository: DatasetRepository,
    stage: Stage,
    progress: Progress,
    branch: str = MAIN,
    skipped: Sequence[Skipped] = (),
    base: Path = Path(),
    relabel: bool = False,
) -> IngestReport:
    """Take in files as ``ecosight ingest`` does, and stage them for the next commit instead of committing them.

    Args:
        relabel: files that are known get the label that they have now; else they keep that of the dataset.
    Returns: as ``ingest``; ``version`` is the newest one, which does not hold them yet.
    """
    tally = Tally(base)
    enter(tally, found, intake, progress)
    taken = list(tally.samples)
    if relabel:
        told = {row["error"]["context"]["sample_id"]: row["error"]["context"]["refused"] for row in tally.conflicts}
        taken += [replace(sample, label=told[sample.id]) for sample in samples.many(list(told))]
        tally.conflicts = []
    if taken:
        stage.add(
            changes_from_samples(
                taken,
                station=repository.station,
                explicit=True,
                parts=tally.parts,
                annotators=tally.annotators,
                kept={} if relabel else stage.labels([sample.id for sample in taken], branch),
            ),
            branch,
        )
    return tally.report(repository.head(branch), created=False, skipped=skipped)


def read_corrections(path: Path) -> pa.Table:
    """Changes from a CSV with the columns sample_id, label, and perhaps annotators and part.

    Raises: NotFound: no such file. InvalidInput: bad rows; all are told together, with their lines.
    """
    labels: dict[str, str] = {}
    people: dict[str, int] = {}
    parts: dict[str, str] = {}
    faults: list[str] = []
    for line, row in _rows(path, ("sample_id", "label")):
        sample_id = row["sample_id"]
        try:
            labels[sample_id] = check_label(row["label"])
            if row.get("annotators"):
                people[sample_id] = _count(row["annotators"])
            if row.get("part"):
                parts[sample_id] = _part(row["part"])
        except InvalidInput as error:
            faults.append(f"line {line}: {error.message}")
    _raise(path, faults)
    return joined([relabelled(labels, annotators=people, parts=parts)])


def read_removals(path: Path) -> pa.Table:
    """Changes that take out the samples of a CSV with the column sample_id. Raises: as ``read_corrections``."""
    return joined([removed([row["sample_id"] for _, row in _rows(path, ("sample_id",))])])


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"the file {path} cannot be read: {error}", hint="A CSV in UTF-8 is expected.") from error
    # Strict: a quotation mark that is never closed would take the rows below it for its text, in silence.
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if missing := [name for name in needed if name not in (reader.fieldnames or [])]:
            raise InvalidInput(
                f"{path.name} has no column {' and no column '.join(missing)}",
                hint="`checkout` writes samples.csv, which has all columns.",
            )
        for row in reader:
            yield reader.line_num, {str(name): str(value or "").strip() for name, value in row.items() if name}
    except csv.Error as error:
        raise InvalidInput(
            f"{path.name}: line {reader.reader.line_num}: {error}", hint="Is a quotation mark missing?"
        ) from error


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise InvalidInput(f"{text[:20]!r} is no number of annotators")
    return int(text)


def _part(text: str) -> str:
    if text not in PARTS:
        raise InvalidInput(f"there is no part {text[:20]!r}")
    return text


def _raise(path: Path, faults: Sequence[str]) -> None:
    if faults:
        more = f"; and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
        raise InvalidInput(
            f"{path.name}: {'; '.join(faults[:_FAULTS])}{more}",
            hint="Nothing was staged; mend the lines and try again.",
        )
