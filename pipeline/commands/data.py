"""Verbs about data: ingest, dataset, label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataset.ingest import IngestReport
    from dataset.versions import DatasetVersion, VersionSummary

dataset_app = typer.Typer(help="Look at dataset versions.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(ingest)
    app.command()(label)
    app.add_typer(dataset_app, name="dataset")


def ingest(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A folder with a folder per class, or a CSV: path,label,group.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Why this version is made.")] = "",
    group_pattern: Annotated[
        str | None, typer.Option(help="Regular expression on the file name; its first group names the recording.")
    ] = None,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Take in labelled recordings and commit them as a new dataset version."""
    from dataset.ingest import ingest as run_ingest
    from dataset.reading import find_recordings
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    if dry_run:
        found = find_recordings(source, bench.modality.extensions)
        counts: dict[str, int] = {}
        for recording in found:
            counts[recording.label] = counts.get(recording.label, 0) + 1
        result = {"dry_run": True, "recordings": len(found), "class_counts": counts}
        print_result(result, as_json=as_json, text=f"would read {len(found)} recordings: {_counts(counts)}")
        return
    report = run_ingest(
        source,
        intake=bench.intake if group_pattern is None else bench.intake_grouped_by(group_pattern),
        repository=bench.datasets,
        message=message or f"ingest {source.name}",
        progress=terminal_progress(),
        extensions=bench.modality.extensions,
    )
    print_result(report.as_dict(), as_json=as_json, text=_report_lines(report))


@dataset_app.command("log")
def log(context: typer.Context, as_json: JsonOutput = False) -> None:
    """List the versions, newest first."""
    versions = workbench(context).datasets.log()
    if as_json:
        print_result([_summary(version) for version in versions], as_json=True)
        return
    if not versions:
        print("no version yet; `ecosight ingest FOLDER` makes the first")
        return
    rows = [
        (version.ref, f"{version.created_at:%Y-%m-%d %H:%M}", sum(version.class_counts.values()), version.message)
        for version in versions
    ]
    print_table(("version", "made (UTC)", "samples", "message"), rows)


@dataset_app.command("show")
def show(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="A number, v3, main@v3, a tag or a digest; default: the newest.")] = "",
    as_json: JsonOutput = False,
) -> None:
    """Show one version: parts, classes and groups."""
    found = workbench(context).datasets.get(version or None)
    if as_json:
        print_result(_summary(found) | {"parts": _parts(found)}, as_json=True)
        return
    print(f"{found.ref}  {found.ref.digest[:12]}  {found.message}")
    parts = _parts(found)
    rows = [(name, *(parts[part]["classes"].get(name, 0) for part in parts)) for name in found.labels]
    rows.append(("samples", *(parts[part]["samples"] for part in parts)))
    rows.append(("groups", *(parts[part]["groups"] for part in parts)))
    print_table(("class", *parts), rows)


def label(
    context: typer.Context,
    prediction_id: Annotated[str, typer.Argument(help="The prediction_id of an answer, or a CSV of such rows.")],
    true_label: Annotated[str, typer.Argument(help="What it really was; left out with a CSV.")] = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Join ground truth to predictions, now or days later: one, or a CSV with prediction_id,true_label."""
    from pipeline.truths import join_truths, read_truths

    bench = workbench(context)
    truths = read_truths(prediction_id, true_label)
    report = join_truths(bench.predictions, truths, now=bench.clock.now(), dry_run=dry_run)
    done = "would join" if dry_run else "joined"
    text = [f"{done} {report['joined']}, known already {report['unchanged']}, unknown {len(report['unknown'])}"]
    print_result(report, as_json=as_json, text=text + [f"unknown prediction: {each}" for each in report["unknown"]])


def _report_lines(report: IngestReport) -> list[str]:
    lines = [
        f"accepted {report.accepted}, duplicates {report.duplicates}, refused {len(report.refused)}, "
        f"conflicts {len(report.conflicts)}, skipped {len(report.skipped)}",
        report.sentence,
    ]
    if report.class_counts:
        lines.append(_counts(report.class_counts))
    if report.unmatched:
        lines.append(f"the group pattern does not match {report.unmatched} file names; each is a group of its own")
    failed = [("refused", row["path"], row["error"]["message"]) for row in report.refused]
    failed += [("conflict", row["path"], row["error"]["message"]) for row in report.conflicts]
    failed += [("skipped", row["path"], row["reason"]) for row in report.skipped]
    lines += [f"{kind} {path}: {why}" for kind, path, why in failed[:20]]
    if len(failed) > 20:
        lines.append(f"… and {len(failed) - 20} more; --json lists all")
    return lines


def _summary(version: VersionSummary) -> dict[str, Any]:
    return {
        "name": version.ref.name,
        "version": version.ref.version,
        "digest": version.ref.digest,
        "parent": version.parent,
        "message": version.message,
        "created_at": version.created_at.isoformat(),
        "class_counts": dict(version.class_counts),
        "part_counts": dict(version.part_counts),
    }


def _parts(version: DatasetVersion) -> dict[str, dict[str, Any]]:
    parts = {}
    for part in ("train", "val", "test"):
        entries = version.part(part)
        classes: dict[str, int] = {}
        for entry in entries:
            classes[entry.label] = classes.get(entry.label, 0) + 1
        parts[part] = {"samples": len(entries), "groups": len({e.group for e in entries}), "classes": classes}
    return parts


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"
