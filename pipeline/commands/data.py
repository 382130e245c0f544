"""Verbs about data: ingest, dataset, label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import source_told as sources
from pipeline.console import DryRun, JsonOutput, named_path, print_result, workbench
from pipeline.dataset_told import Override, read_overrides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataset.ingest import IngestReport

dataset_app = typer.Typer(
    help="Versions of the dataset: made, compared, merged, laid out, moved.", no_args_is_help=True
)


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    # They add their verbs to the group.
    from pipeline.commands import (  # noqa: F401
        dataset_keeping,
        dataset_looks,
        dataset_moves,
        dataset_names,
        datasets,
    )

    app.command()(ingest)
    app.command()(label)
    app.add_typer(dataset_app, name="dataset")


def ingest(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            parser=named_path,
            metavar="SOURCE",
            help="A folder per class, a CSV, ESC-50, COCO, YOLO, Raven, …: `docs/datasets.md`.",
        ),
    ],
    message: Annotated[str, typer.Option("--message", "-m", help="Why this version is made.")] = "",
    group_pattern: Annotated[
        str | None, typer.Option(help="Regular expression on the file name; its first group names the recording.")
    ] = None,
    format: sources.Format = "",
    boxes: sources.Boxes = "crop",
    classes: sources.Classes = [],  # noqa: B006
    label_column: sources.LabelColumn = "",
    test_fold: sources.TestFolds = [],  # noqa: B006
    val_fold: sources.ValFolds = [],  # noqa: B006
    override: Override = [],  # noqa: B006
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Take in labelled recordings and commit them as a new dataset version."""
    from dataset.ingest import ingest_found
    from ecosight.progress import terminal_progress
    from pipeline.near_copies import guard_against_copies

    bench = workbench(context)
    guard_against_copies(bench)
    intake = bench.intake if group_pattern is None else bench.intake_grouped_by(group_pattern)
    seen = sources.read_source(
        source,
        intake,
        format=format,
        boxes=boxes,
        classes=classes,
        label_column=label_column,
        test_folds=test_fold,
        val_folds=val_fold,
    )
    if dry_run:
        print_result(sources.look(seen), as_json=as_json, text=sources.look_lines(seen))
        return
    report = ingest_found(
        seen.found,
        skipped=seen.skipped,
        base=seen.base,
        intake=intake,
        repository=bench.datasets,
        message=message or f"ingest {source.name}",
        progress=terminal_progress(),
        overrides=read_overrides(override),
    )
    print_result(report.as_dict() | {"format": seen.format}, as_json=as_json, text=report_lines(report))


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
    if true_label:
        bench.predictions.require(prediction_id)
    report = join_truths(bench.predictions, truths, now=bench.clock.now(), dry_run=dry_run)
    done = "would join" if dry_run else "joined"
    text = [f"{done} {report['joined']}, known already {report['unchanged']}, unknown {len(report['unknown'])}"]
    print_result(report, as_json=as_json, text=text + [f"unknown prediction: {each}" for each in report["unknown"]])


def report_lines(report: IngestReport) -> list[str]:
    """What became of the files, for people."""
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
    lines += [f"{kind} {_in_one_line(path)}: {why}" for kind, path, why in failed[:20]]
    if len(failed) > 20:
        lines.append(f"… and {len(failed) - 20} more; --json lists all")
    return lines


def _in_one_line(path: str) -> str:
    """A file name may hold line breaks and commands to the terminal: they are shown, and not obeyed."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in path)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"
