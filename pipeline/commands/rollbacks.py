"""Verbs about rollback: now, status, incidents, show, unlatch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecosight.errors import Unavailable
from pipeline.commands.rollouts import Actor, Wait, Why, end_of_wait
from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench

rollback_app = typer.Typer(
    help="Take the candidate back now, or the champion for the one before it; see what was taken back.",
    invoke_without_command=True,
)

IncidentId = Annotated[str, typer.Argument(help="An incident.")]


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(rollback_app, name="rollback")


@rollback_app.callback()
def rollback(
    context: typer.Context,
    gradual: Annotated[
        bool,
        typer.Option(
            "--gradual", help="By degrees, as its policy says, else in equal parts; for one that does no harm."
        ),
    ] = False,
    why: Why = "",
    actor: Actor = "",
    wait: Wait = 0,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Take the candidate back now. With no rollout under way: the champion, for the one before it.

    Exit code 11 when it had not ended after --wait seconds; it goes on all the same.
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.rollouts import roll_back, who
    from pipeline.rollouts_told import no_server_lines

    bench = workbench(context)
    told = roll_back(bench, actor=who(actor), why=why, dry_run=dry_run, wait_s=wait, by_degrees=gradual)
    rollout = told["rollout"]
    by = " by degrees" if gradual and (dry_run or (rollout and rollout["way_back"])) else ""
    text = [
        f"{'would take back' if dry_run else 'taking back'} {', '.join(told['taken_back'])}{by}; "
        f"{told['restored']} answers instead",
        *([f"rollout {rollout['id']} is {rollout['state'].replace('_', ' ')}"] if rollout is not None else []),
        *no_server_lines(told["servers"]),
    ]
    print_result(told, as_json=as_json, text=text)
    end_of_wait(told, wait)


@rollback_app.command("status")
def status(context: typer.Context, as_json: JsonOutput = False) -> None:
    """Say whether something is being taken back, and which models are latched."""
    from pipeline.rollouts import str_of
    from pipeline.rollouts_told import incident_lines, rollout_line

    bench = workbench(context)
    active, found = bench.rollouts.active(), bench.rollout_records.incidents(1000)
    rollout = bench.rollout_records.shown(active) if active is not None else None
    under_way = [each for each in found if each["closed_at"] is None]
    latched = [each for each in found if each["latched"]]
    lines = [rollout_line(rollout) if rollout is not None else "no rollout is under way"]
    lines += [line for each in under_way for line in incident_lines(each)]
    lines += [f"latched: {str_of(each['model'])}, by {each['id']}" for each in latched] or ["no model is latched"]
    told = {"rollout": rollout, "under_way": under_way, "latched": latched}
    print_result(told, as_json=as_json, text=lines)


@rollback_app.command("list", hidden=True)
@rollback_app.command("incidents")
def incidents(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: JsonOutput = False,
) -> None:
    """List what was taken back, newest first."""
    from pipeline.rollouts_told import short_time

    found = workbench(context).rollout_records.incidents(limit)
    if as_json:
        print_result(found, as_json=True)
        return
    if not found:
        print("nothing was ever taken back")
        return
    rows = [
        (
            each["id"],
            short_time(each["opened_at"]),
            f"{each['model']['version']} -> {each['restored']['version']}",
            each["trigger"].get("name", ""),
            "closed" if each["closed_at"] else "under way",
            f"unlatched by {each['unlatched_by']}" if each["unlatched_by"] else "latched",
        )
        for each in found
    ]
    print_table(("incident", "opened (UTC)", "model", "trigger", "state", "latch"), rows)


@rollback_app.command("show")
def show(
    context: typer.Context,
    incident_id: IncidentId,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report's page to this file.")] = None,
    as_json: JsonOutput = False,
) -> None:
    """Show one incident: trigger and rule, what was done and when; --html writes the report's page."""
    from pipeline.rollouts_told import incident_lines
    from serving.incident_reports import incident_page, whole_report

    told = workbench(context).rollout_records.incident(incident_id)
    lines = incident_lines(told)
    if html is not None:
        try:
            html.write_text(incident_page(told), "utf-8")
        except OSError as error:
            raise Unavailable(f"{html} cannot be written: {error.strerror}") from error
        lines.append(f"wrote {html}")
    told["report"] = whole_report(told["report"])
    print_result(told, as_json=as_json, text=lines)


@rollback_app.command("unlatch")
def unlatch(
    context: typer.Context,
    incident_id: IncidentId,
    actor: Actor = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Allow that the model which was taken back is tried again."""
    from pipeline.rollouts import str_of, who

    records = workbench(context).rollout_records
    told = records.incident(incident_id) if dry_run else records.unlatch(incident_id, actor=who(actor))
    model = str_of(told["model"])
    text = f"would unlatch {model}" if dry_run else f"{model} may be tried again (unlatched by {told['unlatched_by']})"
    print_result(told, as_json=as_json, text=text)
