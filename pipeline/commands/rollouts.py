"""Verbs about rollouts: start, status, list, pause, resume, promote, abort, live, replay, simulate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

rollout_app = typer.Typer(help="Let a new model in by degrees, and see why it is where it is.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="A rollout; default: the one under way.")]
Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit trail.")]
Actor = Annotated[str, typer.Option("--actor", help="In whose name [the user who is logged in].")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the end of it.")]
Policy = Annotated[
    list[str] | None,
    typer.Option("--policy", "-p", metavar="KEY=VALUE", help="A difference from the configuration; may be repeated."),
]
Strategy = Annotated[str, typer.Option(help="canary, blue-green, shadow, fixed or thompson [ab_testing.strategy].")]
Steps = Annotated[str, typer.Option(help="Percent of the traffic, step by step, such as 5,25,100.")]


def mount(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(rollout_app, name="rollout")


@rollout_app.command("start")
def start(
    context: typer.Context,
    candidate: Annotated[
        list[str] | None,
        typer.Option("--candidate", "-m", help="A version, an alias or a models:/ URI; several: side by side."),
    ] = None,
    strategy: Strategy = "",
    steps: Steps = "",
    policy: Policy = None,
    automatic: Annotated[
        bool,
        typer.Option(
            "--automatic", help="For scripts: a model that was taken back before has to wait, longer each time."
        ),
    ] = False,
    actor: Actor = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Begin a rollout of the challenger, or of the candidate that is named. Only one runs at a time."""
    from pipeline.rollouts import plan_rollout, policy_differences, who
    from pipeline.rollouts_told import no_server_lines, plan_lines, rollout_line

    bench = workbench(context)
    named = candidate or ["challenger"]
    differences = policy_differences(policy or [], steps)
    strategy = strategy or bench.config.ab_testing.strategy
    if dry_run:
        plan = plan_rollout(bench, candidates=named, strategy=strategy, differences=differences, automatic=automatic)
        print_result(plan, as_json=as_json, text=plan_lines(plan))
        return
    begun = bench.rollout_service.start(
        candidate=named, strategy=strategy, policy=differences, actor=who(actor), automatic=automatic
    )
    told, servers = bench.rollout_records.shown(begun), bench.rollout_records.servers()
    text = [f"started {rollout_line(told)}", *no_server_lines(servers), "follow it: ecosight rollout status"]
    print_result({"rollout": told, "servers": len(servers)}, as_json=as_json, text=text)


@rollout_app.command("status")
def status(context: typer.Context, rollout_id: Id = "", as_json: JsonOutput = False) -> None:
    """Show one rollout on one page: state, weights, evidence, verdict, and what cannot be said yet."""
    from pipeline.rollouts_told import overview_lines

    overview = workbench(context).rollout_records.overview(rollout_id or None)
    print_result(overview, as_json=as_json, text=() if as_json else overview_lines(overview))


@rollout_app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: JsonOutput = False,
) -> None:
    """List the rollouts, newest first."""
    from pipeline.rollouts_told import short_time

    found = workbench(context).rollout_records.rollouts(limit)
    if as_json:
        print_result(found, as_json=True)
        return
    if not found:
        print("there was no rollout yet; `ecosight rollout start` begins one with the challenger")
        return
    rows = [
        (
            each["id"],
            each["state"],
            each["strategy"],
            ",".join(model["version"] for model in each["candidates"].values()),
            each["champion"]["version"],
            short_time(each["started_at"]),
            each["actor"],
            each["outcome"],
        )
        for each in found
    ]
    print_table(("rollout", "state", "strategy", "candidate", "against", "started (UTC)", "by", "outcome"), rows)


@rollout_app.command("pause")
def pause(
    context: typer.Context,
    rollout_id: Id = "",
    why: Why = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Keep the weights as they are; a bad candidate is still taken back."""
    _wish(workbench(context), "pause", rollout_id, why, actor, dry_run=dry_run, as_json=as_json)


@rollout_app.command("resume")
def resume(
    context: typer.Context,
    rollout_id: Id = "",
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", metavar="KEY=VALUE", help="A new limit, such as max_exposed_keys=2000."),
    ] = None,
    why: Why = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Go on after a pause. After a spent blast radius a higher limit is needed: --policy max_exposed_keys=2000."""
    from pipeline.rollouts import policy_differences

    _wish(
        workbench(context),
        "resume",
        rollout_id,
        why,
        actor,
        dry_run=dry_run,
        as_json=as_json,
        differences=policy_differences(policy or []),
    )


@rollout_app.command("promote")
def promote(
    context: typer.Context,
    rollout_id: Id = "",
    why: Why = "",
    actor: Actor = "",
    wait: Wait = 0,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Let the candidate in now, whatever the evidence says; the actor answers for it.

    Exit code 11 when it had not ended after --wait seconds; it goes on all the same.
    """
    _wish(workbench(context), "promote", rollout_id, why, actor, dry_run=dry_run, as_json=as_json, wait_s=wait)


@rollout_app.command("abort")
def abort(
    context: typer.Context,
    rollout_id: Id = "",
    why: Why = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """End it without a verdict: the champion answers everything at once, and nothing is latched."""
    _wish(workbench(context), "abort", rollout_id, why, actor, dry_run=dry_run, as_json=as_json)


@rollout_app.command("live")
def live(
    context: typer.Context,
    moment: Annotated[str, typer.Argument(help="now, 03:12, or a day and a time; UTC.")] = "now",
    key: Annotated[str | None, typer.Option("--key", "-k", help="Which model answered this key?")] = None,
    as_json: JsonOutput = False,
) -> None:
    """Say what was live at a moment, and for a key which model answered it."""
    from ab_testing.moments import moment_asked_for
    from pipeline.rollouts_told import live_lines

    bench = workbench(context)
    told = bench.rollout_service.live_at(moment_asked_for(moment, bench.clock.now()), key)
    print_result(told, as_json=as_json, text=() if as_json else live_lines(told))


@rollout_app.command("replay")
def replay(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(help="A decision, or a rollout [the newest].")] = "",
    as_json: JsonOutput = False,
) -> None:
    """Make recorded decisions again from their evidence. Exit code 7 when one comes out differently."""
    from pipeline.rollouts import replay_decisions
    from pipeline.rollouts_told import replay_lines

    told = replay_decisions(workbench(context), identity)
    print_result(told, as_json=as_json, text=() if as_json else replay_lines(told))
    raise typer.Exit(0 if told["same"] else 7)


@rollout_app.command("simulate")
def simulate(
    context: typer.Context,
    strategy: Strategy = "",
    steps: Steps = "",
    policy: Policy = None,
    requests_per_s: Annotated[
        float | None, typer.Option(min=0.001, max=1e6, help="Instead of the recorded traffic.")
    ] = None,
    keys_per_s: Annotated[
        float | None, typer.Option(min=0.001, max=1e6, help="New keys a second [as recorded].")
    ] = None,
    error_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Keys that fail today [as recorded, else 0.005].")
    ] = None,
    label_rate: Annotated[float | None, typer.Option(min=0, max=1, help="Keys with a truth [as recorded].")] = None,
    days: Annotated[float, typer.Option(min=0.001, help="How far back recorded traffic is read.")] = 7,
    runs: Annotated[int, typer.Option(min=1, max=100_000, help="Rehearsals of each case.")] = 200,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the random numbers [project.seed].")] = None,
    as_json: JsonOutput = False,
) -> None:
    """Rehearse a policy on recorded traffic: how often it errs, how soon it finds harm, how long it takes."""
    from ecosight.progress import terminal_progress
    from pipeline.rehearsal import Expected, rehearse
    from pipeline.rollouts import policy_differences

    bench = workbench(context)
    told, lines = rehearse(
        bench,
        strategy=strategy or bench.config.ab_testing.strategy,
        differences=policy_differences(policy or [], steps),
        expected=Expected(
            requests_per_s=requests_per_s,
            keys_per_s=keys_per_s,
            error_rate=error_rate,
            label_rate=label_rate,
            days=days,
        ),
        runs=runs,
        seed=bench.config.project.seed if seed is None else seed,
        progress=terminal_progress(),
    )
    print_result(told, as_json=as_json, text=lines)


def _wish(
    bench: Workbench,
    wish: str,
    rollout_id: str,
    why: str,
    actor: str,
    *,
    dry_run: bool,
    as_json: bool,
    wait_s: float = 0,
    differences: Mapping[str, Any] | None = None,
) -> None:
    from pipeline.rollouts import carry_out, who
    from pipeline.rollouts_told import no_server_lines, rollout_line

    told: dict[str, Any] = carry_out(
        bench,
        wish,
        rollout_id or None,
        actor=who(actor),
        why=why,
        dry_run=dry_run,
        wait_s=wait_s,
        differences=differences,
    )
    done = f"would {wish}" if dry_run else wish
    text = [f"{done}: {rollout_line(told['rollout'])}", *no_server_lines(told["servers"])]
    print_result(told, as_json=as_json, text=text)
    end_of_wait(told, wait_s)


def end_of_wait(told: Mapping[str, Any], wait_s: float) -> None:
    """Exit code 11 and a sentence, where the end that was waited for has not come."""
    from ecosight.errors import exit_code
    from pipeline.rollouts import unfinished

    if not told["ended"]:
        error = unfinished(told["rollout"], wait_s)
        print(f"{error.message}\nhint: {error.hint}", file=sys.stderr)
        raise typer.Exit(exit_code(error))
