"""Verbs that make versions and names for them: dataset status, create, add, commit, branch, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import source_told as sources
from pipeline.commands.data import dataset_app, report_lines
from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench
from pipeline.dataset_told import Branch, Override, Version, read_overrides, version_row


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


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Such as v1.1.0.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    splits: Annotated[str | None, typer.Option(help="Shares of what is added: 0.7,0.2,0.1 or 70/20/10.")] = None,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Name the newest version, and open the name: the next commits move it."""
    from dataset.splitting import parse_ratios

    datasets = workbench(context).datasets
    ratios = parse_ratios(splits) if splits else dict(datasets.ratios)
    at = datasets.branches.get("main")
    datasets.tags.check_free(name)
    if not dry_run:
        at = datasets.tags.create(name, description=description, splits=ratios, version=at).version
    result = {"dry_run": dry_run, "name": name, "splits": ratios, "version": at}
    shares = ", ".join(f"{part} {share:g}" for part, share in ratios.items())
    print_result(result, as_json=as_json, text=f"{'would create' if dry_run else 'version'} {name} ({shares})")


def add(
    context: typer.Context,
    source: Annotated[
        Path | None, typer.Argument(help="A folder per class, a CSV, ESC-50, COCO, YOLO, Raven, …")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Corrections: a CSV with sample_id,label.")] = None,
    remove: Annotated[Path | None, typer.Option(help="What goes: a CSV with sample_id.")] = None,
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
    from dataset.adding import check_known, read_corrections, read_removals, stage_found
    from dataset.lines.staging import Stage
    from ecosight.errors import InvalidInput
    from ecosight.progress import terminal_progress

    if source is None and labels is None and remove is None:
        raise InvalidInput("there is nothing to add", hint="Name a folder or a CSV, or give --labels or --remove.")
    bench = workbench(context)
    bench.datasets.branches.require(branch)
    changes = [*([read_corrections(labels)] if labels else []), *([read_removals(remove)] if remove else [])]
    asked: dict[str, Any] = {"format": format, "boxes": boxes, "classes": classes, "label_column": label_column}
    folds: dict[str, Any] = {"test_folds": test_fold, "val_folds": val_fold}
    found = sources.read_source(source, bench.intake, **asked, **folds) if source else None
    result: dict[str, Any] = {"dry_run": dry_run, "rows": sum(map(len, changes))}
    lines: list[str] = []
    stage = Stage(bench.datasets)
    if dry_run:
        for each in changes if found is None else ():  # of what a source brings, nothing is known yet
            check_known(each, stage=stage, samples=bench.samples, branch=branch)
        result["files"] = len(found.found) if found else 0
        result |= sources.look(found) if found else {}
        lines.append(f"would stage {result['files']} files and {result['rows']} corrections or removals")
        lines += sources.look_lines(found) if found else []
        print_result(result, as_json=as_json, text=lines)
        return
    if source is not None and found is not None:
        report = stage_found(
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
    if dry_run:
        counts = stage.counts(branch).as_dict() | {"unversioned": len(waiting)}
        text = ", ".join(f"{name} {many}" for name, many in counts.items())
        print_result({"dry_run": True, **counts}, as_json=as_json, text=f"would commit: {text}")
        return
    opened = datasets.tags.opened() if branch == "main" else None
    tag = datasets.tags.get(opened) if opened else None
    version, created = stage.commit(
        message=message or (f"{tag.name}: {tag.description}" if tag else "commit"),
        branch=branch,
        overrides=read_overrides(override),
        ratios=tag.splits if tag else None,
        also=also,
    )
    if tag is not None:
        datasets.tags.move(tag.name, version.ref.digest)
    name = datasets.shown(version, branch=branch)[version.ref.digest]
    lines = [f"{'made' if created else 'nothing new, the newest is'} {name}: {len(version.entries)} samples"]
    result = version_row(version, name) | {"created": created}
    print_result(result, as_json=as_json, text=[*lines, *version.caveats])


def branch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The branch to make; none lists all.")] = "",
    at: Annotated[str, typer.Option(help="The version that it begins with; default: the newest of main.")] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Forget the branch; gc then takes what only it held.")
    ] = False,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """List the branches, make one, or delete one."""
    from ecosight.errors import NotFound

    datasets = workbench(context).datasets
    if name and delete:
        digest = datasets.branches.get(name) or ""
        if not digest:
            raise NotFound(f"there is no branch {name!r}", hint=f"Known: {', '.join(datasets.branches.all())}.")
        digest = digest if dry_run else datasets.branches.delete(name)
        done = "would delete" if dry_run else "deleted"
        lines = [f"{done} {name}", f"until gc runs, this brings it back: ecosight dataset branch {name} --at {digest}"]
        print_result({"dry_run": dry_run, "deleted": name, "digest": digest}, as_json=as_json, text=lines)
        return
    if name:
        digest = datasets.resolve(at or None)
        datasets.branches.check_free(name)
        if not dry_run:
            datasets.branches.create(name, digest)
        begun = datasets.shown(datasets.summary(digest))[digest]
        text = f"{'would make' if dry_run else 'made'} the branch {name} at {begun}"
        print_result({"dry_run": dry_run, "created": name, "digest": digest}, as_json=as_json, text=text)
        return
    heads = {each: datasets.summary(digest) for each, digest in datasets.branches.all().items()}
    shown = {each: datasets.shown(head, branch=each)[head.ref.digest] for each, head in heads.items()}
    if as_json:
        print_result({each: version_row(head, shown[each]) for each, head in heads.items()}, as_json=True)
        return
    rows = [(each, shown[each], head.ref.digest[:8], head.message) for each, head in heads.items()]
    print_table(("branch", "version", "digest", "message"), rows)


def tag(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to give; none lists all.")] = "",
    version: Version = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Name a version for good, or list the names."""
    datasets = workbench(context).datasets
    if name:
        digest = datasets.resolve(version or None)
        datasets.tags.check_free(name)
        if not dry_run:
            datasets.tags.pin(name, description=description, splits=datasets.ratios, version=digest)
        named = datasets.shown(datasets.summary(digest))[digest]
        text = f"{'would name' if dry_run else 'named'} {named} {name}"
        print_result({"dry_run": dry_run, "tag": name, "digest": digest}, as_json=as_json, text=text)
        return
    tags = datasets.tags.all()
    opened = datasets.tags.opened()
    if as_json:
        rows = [
            {"name": each.name, "version": each.version, "description": each.description, "open": each.name == opened}
            for each in tags
        ]
        print_result(rows, as_json=True)
        return
    shown = [(t.name, (t.version or "-")[:8], "open" if t.name == opened else "", t.description) for t in tags]
    print_table(("tag", "digest", "", "description"), shown)


for verb in (status, create, add, commit, branch, tag):
    dataset_app.command(verb.__name__)(verb)
