"""Verbs that look at versions: dataset log, show, stats, diff."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.data import dataset_app
from pipeline.console import JsonOutput, named_path, print_result, print_table, workbench
from pipeline.dataset_told import Branch, Version, names_of, version_row


def log(
    context: typer.Context,
    branch: Branch = "main",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Only so many, newest first; 0 for all.")] = 0,
    as_json: JsonOutput = False,
) -> None:
    """List the versions, newest first."""
    datasets = workbench(context).datasets
    datasets.branches.require(branch)
    versions = datasets.log(branch)
    names = names_of(datasets)
    versions = versions[:limit] if limit else versions
    shown = datasets.shown(*versions, branch=branch)
    if as_json:
        rows = [
            version_row(each, shown[each.ref.digest]) | {"names": names.get(each.ref.digest, [])} for each in versions
        ]
        print_result(rows, as_json=True)
        return
    if not versions:
        print("no version yet; `ecosight ingest FOLDER` makes the first")
        return
    table = []
    for each in versions:
        marks = names.get(each.ref.digest, []) + (["merge"] if len(each.parents) > 1 else [])
        marks += ["override!"] if each.overrides else []
        moment, samples = f"{each.created_at:%Y-%m-%d %H:%M}", sum(each.class_counts.values())
        table.append((shown[each.ref.digest], each.ref.digest[:8], moment, samples, " ".join(marks), each.message))
    print_table(("version", "digest", "made (UTC)", "samples", "", "message"), table)


def show(context: typer.Context, version: Version = "", as_json: JsonOutput = False) -> None:
    """Show one version: parts, classes and groups."""
    from dataset.contents import part_counts

    datasets = workbench(context).datasets
    found = datasets.get(version or None)
    shown = datasets.shown(found)[found.ref.digest]
    parts = part_counts(found)
    if as_json:
        print_result(version_row(found, shown) | {"parts": parts}, as_json=True)
        return
    print(f"{shown}  {found.ref.digest[:12]}  {found.message}")
    rows = [(name, *(parts[part]["classes"].get(name, 0) for part in parts)) for name in found.labels]
    rows.append(("samples", *(parts[part]["samples"] for part in parts)))
    rows.append(("groups", *(parts[part]["groups"] for part in parts)))
    print_table(("class", *parts), rows)
    for line in found.caveats:
        print(line)


def stats(
    context: typer.Context,
    version: Version = "",
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", parser=named_path, metavar="FILE.html", help="Also write a page; it measures quality."
        ),
    ] = None,
    quality: Annotated[
        bool | None, typer.Option("--quality/--no-quality", help="Read samples and measure how good they are.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Measure the quality of at most so many samples; 0 for all.")
    ] = 2000,
    accuracy: Annotated[
        float, typer.Option(min=0, max=1, help="Accuracy to plan the next collection for; 0.5 is the worst case.")
    ] = 0.5,
    as_json: JsonOutput = False,
) -> None:
    """Count what a version holds: classes, stations, hours, labels; say what to collect next."""
    from dataset.contents import Dataset
    from pipeline.dataset_statistics import statistics_of, stats_lines, write_page

    bench = workbench(context)
    found = bench.datasets.get(version or None)
    wanted = report is not None if quality is None else quality
    shown = bench.datasets.shown(found)[found.ref.digest]
    statistics = statistics_of(bench, found, quality=wanted, most=samples, accuracy=accuracy)
    statistics = replace(statistics, version=shown)
    if report is not None:
        write_page(statistics, report)
    # The keys that this verb has always told come last: what programs read stays what it was.
    told = statistics.as_dict() | Dataset(version or shown, found, bench.blobs).statistics() | {"version": shown}
    print_result(told, as_json=as_json, text=stats_lines(statistics, report))


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="The earlier version; default: the one before the newest.")] = "head~1",
    after: Version = "",
    limit: Annotated[int, typer.Option(min=0, help="At most so many samples of a kind.")] = 20,
    as_json: JsonOutput = False,
) -> None:
    """Show which samples came and went between two versions, and whose label or part changed."""
    from dataset.merging.diffing import compare

    datasets = workbench(context).datasets
    one, two = datasets.resolve(before), datasets.resolve(after or None)
    found = compare(datasets.snapshots.load(one).entries, datasets.snapshots.load(two).entries).as_dict(limit)
    shown = datasets.shown(*map(datasets.summary, (one, two)))
    names = [shown[one], shown[two]]
    if as_json:
        print_result({"before": names[0], "after": names[1], **found}, as_json=True)
        return
    counts = ", ".join(f"{found[name]} {name}" for name in ("added", "removed", "relabelled", "moved"))
    print(f"{names[0]} → {names[1]}: {counts}")
    for label, row in found["classes"].items():
        print(f"  {label}: +{row['gained']} -{row['lost']}")
    for mark, kind in (("+", "added"), ("-", "removed")):
        for row in found["samples"][kind]:
            print(f"{mark} {row['sample_id'][:12]} {row['label']} ({row['part']}) {row['source']}")
    for kind in ("relabelled", "moved"):
        for row in found["samples"][kind]:
            print(f"~ {row['sample_id'][:12]} {row['before']} → {row['after']}")


for verb in (log, show, stats, diff):
    dataset_app.command(verb.__name__)(verb)
