"""Verbs about the project as a whole: init, doctor, demo, worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import DryRun, JsonOutput, config, print_result, workbench


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(init)
    app.command()(doctor)
    app.command()(demo)
    app.command(hidden=True)(worker)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write the configuration.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Write a config.yaml in which every key is explained."""
    from ecosight.errors import Conflict, InvalidInput
    from pipeline.settings_file import config_template

    if path.exists() and not force:
        raise Conflict(f"{path} exists already", hint="Choose another name, or --force to replace it.")
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {str(path.parent)!r}", hint="Make it first, or choose another place.")
    if not dry_run:
        try:
            path.write_text(config_template(), "utf-8")
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror or error}") from error
    done = "would write" if dry_run else "wrote"
    print_result({"path": str(path), "written": not dry_run}, as_json=as_json, text=f"{done} {path}")


def doctor(context: typer.Context, as_json: JsonOutput = False) -> None:
    """Say what is configured, reachable and writable, and what to do about what is not."""
    from pipeline.doctor import examine

    checks = examine(config(context))
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.detail}")
        if check.hint and not check.ok:
            lines.append(f"      {'':<12} hint: {check.hint}")
    healthy = all(check.ok for check in checks)
    result = {
        "ok": healthy,
        "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail, "hint": c.hint} for c in checks],
    }
    print_result(result, as_json=as_json, text=lines)
    raise typer.Exit(0 if healthy else 6)


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo lives; an earlier demo there is replaced.")] = Path(
        "demo_data"
    ),
    as_json: JsonOutput = False,
) -> None:
    """The main job, offline, on sounds made by synthesis: ingest, train, serve, upload, retrain, swap."""
    from pipeline.demo import run_demo

    summary = run_demo(folder, quiet=as_json)
    print_result(summary.as_dict(), as_json=as_json, text=summary.lines())
    raise typer.Exit(0 if summary.ok else 1)


def worker(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End when no job is waiting.")] = False,
) -> None:
    """Run queued jobs (a server starts this by itself)."""
    from ecosight.logs import configure_logging
    from pipeline.work import run_worker_process

    bench = workbench(context)
    configure_logging()
    raise typer.Exit(run_worker_process(bench, once=once))
