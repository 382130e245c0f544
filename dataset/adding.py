"""Owns what ``ecosight dataset add`` takes: files with labels, and small tables of corrections; both are staged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataset.changes import changes_from_samples, joined, relabelled, removed
from dataset.entries import PARTS
from dataset.ingest import IngestReport, Tally, enter
from dataset.labels import check_label
from dataset.lines.branches import MAIN
from dataset.readers.tables import SURPLUS, table_rows
from dataset.storing.rows import hex_of, keys_of_hex
from ecosight.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.intake import Intake
    from dataset.lines.staging import Stage
    from dataset.reading import Found, Skipped
    from dataset.versions import DatasetRepository
    from ecosight.ports import Progress
    from ecosight.state.samples import SampleStore

__all__ = ["check_known", "read_corrections", "read_removals", "stage_found"]

_FAULTS = 10
_WHENCE = "The ids are those of samples.csv, which `ecosight dataset checkout` writes: keep its first line."


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
    told: dict[str, tuple[int, tuple[str, ...]]] = {}
    faults: list[str] = []
    for line, sample_id, row in _rows(path, ("sample_id", "label"), faults):
        said = tuple(row.get(name, "") for name in ("label", "annotators", "part"))
        first, before = told.setdefault(sample_id, (line, said))
        if before != said:
            faults.append(f"line {line}: the sample {sample_id[:12]} is corrected otherwise in line {first}")
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
    faults: list[str] = []
    ids = dict.fromkeys(sample_id for _, sample_id, _ in _rows(path, ("sample_id",), faults))
    _raise(path, faults)
    return joined([removed(ids)])


def check_known(changes: pa.Table, *, stage: Stage, samples: SampleStore, branch: str = MAIN) -> None:
    """Before corrections are staged: one of a sample that is nowhere would stop every commit from then on.

    Raises: NotFound: a sample is neither in the dataset, nor staged, nor accepted.
    """
    ids = [row["id"].hex() for row in changes.select(["id", "action"]).to_pylist() if row["action"] == "put"]
    known = stage.labels(ids, branch)
    missing = [sample_id for sample_id in ids if sample_id not in known]
    accepted = {sample.id for sample in samples.many(missing)}
    if unknown := [sample_id for sample_id in missing if sample_id not in accepted]:
        raise NotFound(
            f"{len(unknown)} samples are not in the dataset: {', '.join(each[:12] for each in unknown[:3])}",
            hint="Take these rows out, or add the files with their label first.",
        )


def _rows(path: Path, needed: Sequence[str], faults: list[str]) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Line, sample id and fields of each row that makes sense; what is wrong with the others joins ``faults``."""
    if not os.path.isfile(path):
        raise NotFound(
            f"there is no file {str(path)[:200]!r}", hint="`checkout` writes samples.csv; edit a copy of it."
        )
    for line, row in table_rows(path, needed, hint=_WHENCE):
        if SURPLUS in row:
            faults.append(f"line {line}: more fields than columns (a comma without quotes?)")
            continue
        try:
            yield line, hex_of(keys_of_hex([row["sample_id"]]))[0], row
        except InvalidInput as error:
            faults.append(f"line {line}: {error.message}")


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not 0 < int(text) < 10_000:
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
