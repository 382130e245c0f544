"""Verbs that look after the store: dataset gc, fsck."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.data import dataset_app
from pipeline.console import DryRun, JsonOutput, print_result, workbench
from pipeline.dataset_told import needed_by_models


def gc(
    context: typer.Context,
    grace: Annotated[float, typer.Option(help="Hours that a blob stays whatever it is.")] = 24.0,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Delete stored bytes that no branch, tag, model, staged change or accepted sample needs."""
    from dataset.keeping.collecting import collect
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    report = collect(
        bench.blobs,
        bench.refs,
        needed=[lambda: needed_by_models(bench), lambda: [sample.id for sample in bench.samples.all()]],
        clock=bench.clock,
        progress=terminal_progress(),
        grace_s=grace * 3600,
        dry_run=dry_run,
    )
    done = "would delete" if dry_run else "deleted"
    text = f"{done} {report.deleted} blobs, kept {report.kept} that are needed and {report.young} that are young"
    print_result(report.as_dict(), as_json=as_json, text=text)


def fsck(
    context: typer.Context,
    read_samples: Annotated[bool, typer.Option("--read-samples", help="Also read every sample's bytes.")] = False,
    as_json: JsonOutput = False,
) -> int:
    """Examine the store: whole versions, no missing bytes, no group on two sides. Exit code 7 on a fault."""
    from dataset.keeping.checking import check
    from ecosight.errors import IntegrityError, exit_code
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    report = check(bench.blobs, bench.refs, terminal_progress(), read_samples=read_samples)
    text = [f"{report.refs} refs, {report.versions} versions, {report.samples} samples: "]
    text[0] += "all is well" if report.ok else f"{len(report.faults)} faults"
    text += [f"{fault.where}: {fault.what}" for fault in report.faults]
    print_result(report.as_dict(), as_json=as_json, text=text)
    return 0 if report.ok else exit_code(IntegrityError(""))


for verb in (gc, fsck):
    dataset_app.command(verb.__name__)(verb)
