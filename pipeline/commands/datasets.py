"""Verbs that make versions: dataset status, add, commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import source_told as sources
from pipeline.commands.data import dataset_app, report_lines
from pipeline.console import DryRun, JsonOutput, named_path, print_result, workbench
from pipeline.dataset_told import Branch, Override, read_overrides, version_row

if TYPE_CHECKING:
    from dataset.ingest import IngestReport
    from dataset.lines.staging import Stage
    from dataset.reading import Survey
    from pipeline.wiring import Workbench


def status(context: typer.Context, branch: Branch = "main", as_json: JsonOutput = False) -> None:
    """Tell what is staged, which accepted samples no version holds yet, and what the newest version is."""
    from dataset.lines.staging import Stage
    from dataset.lines.unversioned import unversioned

    bench = workbench(context)
    datasets = bench.datasets
    datasets.branches.require(branch)
    head = datasets.summary(datasets.branches.get(branch)) if datasets.branches.get(branch) else None
    shown = datasets.shown(head, branch=branch)[head.ref.digest] if head else ""
    staged = Stage(datasets).counts(branch)
    waiting = unversioned(datasets, bench.samples, branch)
    result = {
        "branch": branch,
        "version": version_row(head, shown) if head else None,
        "staged": staged.as_dict(),
        "unversioned": len(waiting),
        "open": datasets.tags.opened(),
    }
    lines = [f"{branch}: {shown}, {sum(head.class_counts.values())} samples" if head else f"{branch}: no version yet"]
    lines.append(f"staged: {staged.added} new, {staged.changed} corrected, {staged.removed} removed")
    lines.append(f"accepted, but in no version: {len(waiting)}" + (" (`commit --all` takes them)" if waiting else ""))
    lines += head.caveats if head else []
    print_result(result, as_json=as_json, text=lines)


def add(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(
            parser=named_path, metavar="SOURCE", help="A folder per class, a CSV, ESC-50, COCO, YOLO, Raven, …"
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="FILE", help="Corrections: a CSV with sample_id,label.")
    ] = None,
    remove: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="FILE", help="What goes: a CSV with sample_id.")
    ] = None,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Files that are known get the label they have now.")
    ] = False,
    format: sources.Format = "",
    boxes: sources.Boxes = "crop",
    classes: sources.Classes = [],  # noqa: B006
    label_column: sources.LabelColumn = "",
    test_fold: sources.TestFolds = [],  # noqa: B006
    val_fold: sources.ValFolds = [],  # noqa: B006
    branch: Branch = "main",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Stage files, corrections and removals for the next commit."""
    from dataset.adding import check_known, read_corrections, read_removals
    from dataset.lines.staging import Stage
    from ecosight.errors import InvalidInput

    if source is None and labels is None and remove is None:
        raise InvalidInput("there is nothing to add", hint="Name a folder or a CSV, or give --labels or --remove.")
    bench = workbench(context)
    bench.datasets.branches.require(branch)
    changes = [*([read_corrections(labels)] if labels else []), *([read_removals(remove)] if remove else [])]
    asked: dict[str, Any] = {"format": format, "boxes": boxes, "classes": classes, "label_column": label_column}
    folds: dict[str, Any] = {"test_folds": test_fold, "val_folds": val_fold}
    found = sources.read_source(source, bench.intake, **asked, **folds) if source else None
    stage = Stage(bench.datasets)
    if dry_run:
        for each in changes if found is None else ():  # of what a source brings, nothing is known yet
            check_known(each, stage=stage, samples=bench.samples, branch=branch)
        result, lines = _would_stage(found, sum(map(len, changes)))
        print_result(result, as_json=as_json, text=lines)
        return
    result, lines = {"dry_run": False, "rows": sum(map(len, changes))}, []
    if found is not None:
        report = _stage_files(bench, stage, found, branch=branch, relabel=relabel)
        result |= report.as_dict() | {"format": found.format}
        lines += [line for line in report_lines(report) if line != report.sentence]
    for each in changes:
        check_known(each, stage=stage, samples=bench.samples, branch=branch)
    for each in changes:
        stage.add(each, branch)
    counts = stage.counts(branch)
    result |= {"staged": counts.as_dict(), "message": "staged; `ecosight dataset commit` makes a version of it"}
    lines.append(f"staged: {counts.added} new, {counts.changed} corrected, {counts.removed} removed")
    print_result(result, as_json=as_json, text=lines)


def _would_stage(found: Survey | None, rows: int) -> tuple[dict[str, Any], list[str]]:
    """What a dry run tells: as JSON, and for people."""
    files = len(found.found) if found else 0
    result = {"dry_run": True, "rows": rows, "files": files} | (sources.look(found) if found else {})
    lines = [f"would stage {files} files and {rows} corrections or removals"]
    return result, lines + (sources.look_lines(found) if found else [])


def _stage_files(bench: Workbench, stage: Stage, found: Survey, *, branch: str, relabel: bool) -> IngestReport:
    from dataset.adding import stage_found
    from ecosight.progress import terminal_progress

    return stage_found(
        found.found,
        intake=bench.intake,
        samples=bench.samples,
        repository=bench.datasets,
        stage=stage,
        progress=terminal_progress(),
        branch=branch,
        skipped=found.skipped,
        base=found.base,
        relabel=relabel,
    )


def commit(
    context: typer.Context,
    message: Annotated[str, typer.Option("--message", "-m", help="Why this version is made.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also every accepted sample, such as uploads.")
    ] = False,
    override: Override = [],  # noqa: B006
    branch: Branch = "main",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Make a version of what is staged."""
    from dataset.changes import changes_from_samples
    from dataset.lines.staging import Stage
    from dataset.lines.unversioned import unversioned
    from pipeline.near_copies import guard_against_copies

    bench = workbench(context)
    datasets, stage = bench.datasets, Stage(bench.datasets)
    datasets.branches.require(branch)
    guard_against_copies(bench, branch=branch)
    waiting = unversioned(datasets, bench.samples, branch) if everything else []
    also = changes_from_samples(waiting, station=datasets.station) if waiting else None
    opened = datasets.tags.opened() if branch == "main" else None
    tag = datasets.tags.get(opened) if opened else None
    asked: dict[str, Any] = {
        "branch": branch,
        "overrides": read_overrides(override),
        "ratios": tag.splits if tag else None,
        "also": also,
    }
    if dry_run:
        stage.rehearse(**asked)
        counts = stage.counts(branch).as_dict() | {"unversioned": len(waiting)}
        text = ", ".join(f"{name} {many}" for name, many in counts.items())
        print_result({"dry_run": True, **counts}, as_json=as_json, text=f"would commit: {text}")
        return
    version, created = stage.commit(message=message or (f"{tag.name}: {tag.description}" if tag else "commit"), **asked)
    if tag is not None:
        datasets.tags.move(tag.name, version.ref.digest)
    name = datasets.shown(version, branch=branch)[version.ref.digest]
    lines = [f"{'made' if created else 'nothing new, the newest is'} {name}: {len(version.entries)} samples"]
    result = version_row(version, name) | {"created": created}
    print_result(result, as_json=as_json, text=[*lines, *version.caveats])


for verb in (status, add, commit):
    dataset_app.command(verb.__name__)(verb)
