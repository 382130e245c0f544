"""Verbs about models: train, evaluate, register, serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecosight.errors import Refused, exit_code
from pipeline.commands.jobs import follow_training
from pipeline.console import DryRun, JsonOutput, named_path, options, print_result, workbench


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(register)
    app.command()(serve)


def train(
    context: typer.Context,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs [configured].")] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the history.")] = "train",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Train on everything accepted, evaluate the servable bytes, register; the gate decides about champion."""
    bench = workbench(context)
    if dry_run:
        known = bench.samples.counts_by_label()
        text = f"would train on {sum(known.values())} recordings of {len(known)} classes"
        print_result({"dry_run": True, "class_counts": known}, as_json=as_json, text=text)
        return
    payload = {"reason": reason} | ({} if epochs is None else {"epochs": epochs})
    follow_training(bench, payload, as_json=as_json)


def evaluate(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="An alias, a version number, a models:/ URI, or a folder with a servable.")
    ] = "champion",
    data: Annotated[
        str, typer.Option(help="A dataset part such as main@v3/test, or a folder or CSV of labelled files.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="PATH", help="Folder for report.json and the figures.")
    ] = None,
    speed: Annotated[
        bool | None, typer.Option("--speed/--no-speed", help="Measure latency, throughput and memory too [configured].")
    ] = None,
    gates: Annotated[
        bool, typer.Option("--gates", help="Ask the gates whether it may become champion; exit code 8 if not.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Measure a model from raw files to labels: accuracy, per class, calibration, with 95% intervals."""
    from ecosight.progress import terminal_progress
    from pipeline.assess import assess

    bench, progress = workbench(context), terminal_progress()
    result = assess(bench, model=model, data=data, output=output, progress=progress, speed=speed, gates=gates)
    print_result(result.as_dict(), as_json=as_json, text=result.lines())
    if result.decision is not None and not result.decision.promote:
        raise typer.Exit(exit_code(Refused("the gates said no")))


def register(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder with a sealed servable model.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the run.")] = "registered by hand",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Register a servable model that was made elsewhere, through the same parity check and gate as a trained one."""
    from ecosight.progress import terminal_progress
    from pipeline.enrol import enrol

    result = enrol(workbench(context), folder, reason=reason, dry_run=dry_run, progress=terminal_progress())
    print_result(result, as_json=as_json, text=[result["sentence"], *(f"  {each}" for each in result["reasons"])])


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to bind [configured].")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one [configured].")] = None,
    engine: Annotated[str | None, typer.Option(help="default, fastest, or an engine by name [configured].")] = None,
) -> None:
    """Serve the champion over HTTP; a new champion is swapped in while requests run."""
    from ecosight.config import load_config
    from ecosight.logs import configure_logging
    from pipeline.server import serve_forever

    configure_logging()
    given = {"host": host, "port": port, "engine": engine}
    path = options(context).config
    settings = load_config(path, serving={key: value for key, value in given.items() if value is not None})
    serve_forever(settings, config_file=path)
