"""Verbs about retraining: check, run, schedule, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

retrain_app = typer.Typer(help="Check whether to retrain, retrain, or see when it is due.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(retrain_app, name="retrain")


@retrain_app.command("check")
def check(
    context: typer.Context,
    min_new_samples: Annotated[int | None, typer.Option(min=1, help="Threshold [configured].")] = None,
    as_json: JsonOutput = False,
) -> None:
    """Say whether enough new recordings were accepted since the last training."""
    from training.retraining import check_trigger

    bench = workbench(context)
    threshold = min_new_samples or bench.config.retraining.min_new_samples
    due, new = check_trigger(bench.samples, bench.retrainings, threshold)
    verdict = "retraining is due" if due else "not yet"
    print_result(
        {"due": due, "new_samples": new, "threshold": threshold},
        as_json=as_json,
        text=f"{verdict}: {new} new recordings, the threshold is {threshold}",
    )


@retrain_app.command("run")
def run(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; it stands in the history.")] = "manual",
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs [configured].")] = None,
    min_accuracy: Annotated[float | None, typer.Option(min=0, max=1, help="Least test accuracy [configured].")] = None,
    if_due: Annotated[bool, typer.Option("--if-due", help="Only when `retrain check` says so.")] = False,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Train on everything accepted so far, register the model, and promote it if the gate lets it in."""
    from training.retraining import check_trigger

    bench = workbench(context)
    due, new = check_trigger(bench.samples, bench.retrainings, bench.config.retraining.min_new_samples)
    if dry_run or (if_due and not due):
        would = due or not if_due
        text = f"{'would train' if would else 'would not train'}: {new} new recordings"
        print_result({"dry_run": dry_run, "would_train": would, "new_samples": new}, as_json=as_json, text=text)
        return
    payload = {"reason": reason, "epochs": epochs, "min_accuracy": min_accuracy}
    follow_training(bench, {key: value for key, value in payload.items() if value is not None}, as_json=as_json)


@retrain_app.command("schedule")
def schedule(
    context: typer.Context,
    cron: Annotated[str, typer.Option(help="Five fields, UTC [retraining.schedule].")] = "",
    count: Annotated[int, typer.Option(min=1, max=50, help="How many times to show.")] = 3,
    as_json: JsonOutput = False,
) -> None:
    """Show when the schedule retrains next; a running server acts on it."""
    from training.cron import next_run

    bench = workbench(context)
    expression = cron or bench.config.retraining.schedule
    if not expression:
        print_result(
            {"schedule": None, "next": []},
            as_json=as_json,
            text='no schedule is set; for every Sunday at 02:00 UTC set retraining.schedule to "0 2 * * 0"',
        )
        return
    moments = []
    moment = bench.clock.now()
    for _ in range(count):
        moment = next_run(expression, moment)
        moments.append(moment)
    print_result(
        {"schedule": expression, "next": [each.isoformat() for each in moments]},
        as_json=as_json,
        text=[f"{each:%a %Y-%m-%d %H:%M} UTC" for each in moments],
    )


@retrain_app.command("history")
def history(context: typer.Context, as_json: JsonOutput = False) -> None:
    """List past trainings, newest first."""
    records = workbench(context).retrainings.history()
    if as_json:
        print_result([record.as_dict() for record in records], as_json=True)
        return
    rows = [
        (
            f"{record.finished_at:%Y-%m-%d %H:%M}",
            record.verdict,
            record.model_version or "-",
            "-" if record.accuracy is None else f"{record.accuracy:.3f}",
            record.total_samples,
            record.new_samples,
            record.epochs_trained,
            f"{record.duration_s:.0f} s",
            record.reason,
        )
        for record in records
    ]
    if rows:
        print_table(
            ("finished (UTC)", "verdict", "model", "accuracy", "samples", "new", "epochs", "took", "reason"), rows
        )
    else:
        print("nothing was trained yet; `ecosight train` trains the first model")


def follow_training(bench: Workbench, payload: dict[str, Any], *, as_json: bool) -> None:
    """Queue one training, see it through in this process, and print its record."""
    from ecosight.progress import terminal_progress
    from pipeline.work import train_here

    record = train_here(bench, payload, progress=terminal_progress()).as_dict()
    accuracy = record.get("accuracy")
    lines = [
        f"model {record.get('model_version')} on {record['dataset']}: {record['verdict']}"
        + (f", test accuracy {accuracy:.3f}" if accuracy is not None else ""),
        *(f"  {reason}" for reason in record.get("reasons", [])),
    ]
    print_result(record, as_json=as_json, text=lines)
