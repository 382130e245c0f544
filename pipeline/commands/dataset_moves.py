"""Verbs that move versions about: dataset checkout, merge, split, push, pull."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.data import dataset_app
from pipeline.console import DryRun, JsonOutput, named_path, print_result, workbench
from pipeline.dataset_told import (
    Branch,
    Override,
    Version,
    folder_name,
    read_holdout,
    read_overrides,
    version_row,
)

if TYPE_CHECKING:
    from dataset.moving.transfer import TransferReport
    from dataset.storing.snapshots import Snapshot
    from pipeline.wiring import Workbench

Address = Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix?endpoint_url=…")]


def checkout(
    context: typer.Context,
    version: Version = "",
    folder: Annotated[
        Path | None,
        typer.Argument(parser=named_path, metavar="FOLDER", help="Where to; default: dataset.versions_path/NAME."),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Write files that may be edited, where links would do.")] = False,
    verify: Annotated[bool, typer.Option(help="Compare every file with its digest.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Also replace files that someone else wrote.")] = False,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Lay a version out as files: PART/LABEL/NAME, and samples.csv."""
    from dataset.folders.checkout import checkout as lay_out
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    found = bench.datasets.get(version or None)
    called = bench.datasets.shown(found)[found.ref.digest]
    place = folder or (bench.config.dataset.versions_path or bench.config.root / "versions") / folder_name(
        bench.datasets.name, called
    )
    options = {"copy": copy, "verify": verify, "force": force, "dry_run": dry_run}
    report = lay_out(found, place, bench.blobs, terminal_progress(), called=called, **options)
    done = "would write" if dry_run else "wrote"
    links = "" if dry_run else f" ({report.linked} links)"
    text = f"{report.version} in {place}: {done} {report.written}{links}, "
    text += f"kept {report.kept}, removed {report.removed}"
    print_result({"dry_run": dry_run, **report.as_dict()}, as_json=as_json, text=text)


def merge(
    context: typer.Context,
    other: Annotated[str, typer.Argument(help="A branch, tag or version; or NAME@v3 of another dataset.")],
    into: Annotated[str, typer.Option(help="The branch that takes it.")] = "main",
    rule: Annotated[
        list[str],
        typer.Option("--rule", help="Who wins a label: ours, theirs, newest, most-annotators, keep; in order."),
    ] = [],  # noqa: B006
    conflicts: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="FILE", help="Write what nothing decides to this CSV.")
    ] = None,
    resolve: Annotated[
        Path | None,
        typer.Option(parser=named_path, metavar="FILE", help="The same CSV with its column label filled in."),
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="Why.")] = "",
    override: Override = [],  # noqa: B006
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> int:
    """Bring another line of versions into a branch, label by label."""
    from dataset.merging.conflicts import deciding_rules, read_decisions, write_conflicts
    from dataset.merging.joining import merge as join
    from ecosight.errors import Conflict, exit_code
    from pipeline.near_copies import guard_against_copies

    bench = workbench(context)
    guard_against_copies(bench, branch=into)
    report = join(
        bench.datasets,
        other,
        into=into,
        rules=rule,
        by_hand=read_decisions(resolve) if resolve else None,
        message=message,
        overrides=read_overrides(override),
        dry_run=dry_run,
    )
    shown = None
    lines = [f"{report.outcome}: {report.added} added, {report.changed} changed, {report.removed} removed"]
    if report.version:
        shown = bench.datasets.shown(report.version, branch=into)[report.version.ref.digest]
        lines[0] = f"{report.outcome} {shown}" + lines[0].removeprefix(report.outcome)
    if report.moved_groups:
        lines.append(f"{len(report.moved_groups)} groups that both sides had placed went where they were trained on")
    left = report.unresolved
    for each in left[:20]:
        labels = " / ".join(label or "(removed)" for label in (each.base, each.ours, each.theirs))
        lines.append(f"conflict {each.sample_id[:12]} {each.source}: {labels} (before / ours / theirs)")
    if left:
        lines.append(f"{len(left)} labels were changed on both sides; nothing was merged")
        if conflicts is not None:
            write_conflicts(left, conflicts)
            lines.append(f"fill in the column label of {conflicts}, then --resolve {conflicts}")
        else:
            rules = " or ".join(f"--rule {name}" for name in deciding_rules(left))
            lines.append(f"choose with {rules}, or write them to a file with --conflicts FILE")
    result = {"dry_run": dry_run, **report.as_dict(), "version": shown}
    print_result(result, as_json=as_json, text=lines)
    return exit_code(Conflict("")) if left else 0


def split(
    context: typer.Context,
    into: Annotated[str, typer.Argument(help="The new branch.")],
    version: Version = "",
    by: Annotated[str, typer.Option(help="stratified, time or station.")] = "stratified",
    ratios: Annotated[str | None, typer.Option(help="0.7,0.2,0.1 or 70/20/10.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another draw.")] = None,
    hold_out: Annotated[
        list[str], typer.Option("--hold-out", metavar="PART=STATION,…", help="Stations that must be in a part.")
    ] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option("--label", help="Only this class; may be given again.")] = [],  # noqa: B006
    station_pattern: Annotated[str | None, typer.Option(help="Regular expression that finds it in the name.")] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="Why.")] = "",
    override: Override = [],  # noqa: B006
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Begin a branch with another split, or with some of the classes."""
    from dataset.entries import PARTS
    from dataset.parting.resplitting import begin_set
    from dataset.splitting import parse_ratios
    from pipeline.near_copies import guard_against_copies

    holdout = read_holdout(hold_out)
    bench = workbench(context)
    guard_against_copies(bench, branch=into)
    made, settled = begin_set(
        bench.datasets,
        into,
        version=version or None,
        by=by,
        ratios=parse_ratios(ratios) if ratios else None,
        seed=seed,
        holdout=holdout,
        labels=label,
        station_pattern=station_pattern,
        message=message,
        overrides=read_overrides(override),
        dry_run=dry_run,
    )
    standing = settled.snapshot.standing
    counts = {part: sum(parts.get(part, 0) for parts in standing.values()) for part in PARTS}
    result = {"dry_run": dry_run, "branch": into, "part_counts": counts, "scheme": dict(settled.snapshot.scheme)}
    text = [f"{'would make' if dry_run else 'made'} {into}: " + ", ".join(f"{part} {n}" for part, n in counts.items())]
    doubts, sentences = _doubts(bench, settled.snapshot, sum(counts.values()), by_time=by == "time")
    result |= doubts
    text += sentences
    if made is not None:
        result |= {"version": version_row(made, bench.datasets.shown(made, branch=into)[made.ref.digest])}
        text += made.caveats
    print_result(result, as_json=as_json, text=text)


def _doubts(bench: Workbench, made: Snapshot, samples: int, *, by_time: bool) -> tuple[dict[str, Any], list[str]]:
    """What its user should look at: a name of a station that is none, samples whose time nobody told."""
    from pipeline.dataset_statistics import times_not_told

    told: dict[str, Any] = {}
    sentences: list[str] = []
    table = made.entries.table()
    if holdout := made.scheme.get("holdout"):
        there = set(table.column("station").unique().to_pylist())
        absent = sorted({station for stations in holdout.values() for station in stations} - there)
        told["stations_without_samples"] = absent
        sentences += [f"no sample is from {station!r} yet: is that the name of the station?" for station in absent]
    if by_time and (untold := times_not_told(bench, table)):
        told["times_not_told"] = untold
        sentences.append(
            f"of {untold} of {samples} samples nothing tells when they were captured: the moment at which "
            "they came in was taken; a CSV with a column captured_at can tell it when they are taken in"
        )
    return told, sentences


def push(
    context: typer.Context,
    remote: Address,
    branch: Branch = "main",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Send a branch and its tags to another store; only what is missing there."""
    from dataset.moving.remotes import open_remote
    from dataset.moving.transfer import push as send
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    report = send(bench.datasets, open_remote(remote), terminal_progress(), branch=branch, dry_run=dry_run)
    text = _moved("would push" if dry_run else "pushed", report)
    print_result({"dry_run": dry_run, **report.as_dict()}, as_json=as_json, text=text)


def pull(
    context: typer.Context,
    remote: Address,
    branch: Branch = "main",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Fetch a branch and its tags from another store; only what is missing here."""
    from dataset.moving.remotes import open_remote
    from dataset.moving.transfer import pull as fetch
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    report = fetch(bench.datasets, open_remote(remote, made=True), terminal_progress(), branch=branch, dry_run=dry_run)
    text = [_moved("would pull" if dry_run else "pulled", report)]
    if report.diverged:
        text.append(
            f"both sides went on: `ecosight dataset merge {report.branch} --into {branch}` brings them together"
        )
    print_result({"dry_run": dry_run, **report.as_dict()}, as_json=as_json, text=text)


def _moved(done: str, report: TransferReport) -> str:
    size = "" if report.size_bytes is None else f", {report.size_bytes / 1e6:,.1f} MB"
    return f"{done} {report.branch}: {report.versions} versions, {report.blobs} blobs{size}"


for verb in (checkout, merge, split, push, pull):
    dataset_app.command(verb.__name__)(verb)
