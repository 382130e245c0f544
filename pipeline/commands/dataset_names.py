"""Verbs that give names to versions: dataset create, branch, tag."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.data import dataset_app
from pipeline.console import DryRun, JsonOutput, print_result, print_table, workbench
from pipeline.dataset_told import Version, version_row


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Such as v1.1.0.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    splits: Annotated[str | None, typer.Option(help="Shares of what is added: 0.7,0.2,0.1 or 70/20/10.")] = None,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Name the newest version, and open the name: the next commits move it."""
    from dataset.splitting import parse_ratios

    datasets = workbench(context).datasets
    ratios = parse_ratios(splits) if splits else dict(datasets.ratios)
    at = datasets.branches.get("main")
    datasets.tags.check_free(name)
    if not dry_run:
        at = datasets.tags.create(name, description=description, splits=ratios, version=at).version
    result = {"dry_run": dry_run, "name": name, "splits": ratios, "version": at}
    shares = ", ".join(f"{part} {share:g}" for part, share in ratios.items())
    print_result(result, as_json=as_json, text=f"{'would create' if dry_run else 'version'} {name} ({shares})")


def branch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The branch to make; none lists all.")] = "",
    at: Annotated[str, typer.Option(help="The version that it begins with; default: the newest of main.")] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Forget the branch; gc then takes what only it held.")
    ] = False,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """List the branches, make one, or delete one."""
    from dataset.keeping.reviving import revive
    from ecosight.errors import NotFound

    datasets = workbench(context).datasets
    if name and delete:
        digest = datasets.branches.get(name) or ""
        if not digest:
            raise NotFound(f"there is no branch {name!r}", hint=f"Known: {', '.join(datasets.branches.all())}.")
        digest = digest if dry_run else datasets.branches.delete(name)
        done = "would delete" if dry_run else "deleted"
        lines = [f"{done} {name}", f"until gc runs, this brings it back: ecosight dataset branch {name} --at {digest}"]
        print_result({"dry_run": dry_run, "deleted": name, "digest": digest}, as_json=as_json, text=lines)
        return
    if name:
        digest = datasets.resolve(at or None)
        datasets.branches.check_free(name)
        revive(datasets, digest)
        if not dry_run:
            datasets.branches.create(name, digest)
        begun = datasets.shown(datasets.summary(digest))[digest]
        text = f"{'would make' if dry_run else 'made'} the branch {name} at {begun}"
        print_result({"dry_run": dry_run, "created": name, "digest": digest}, as_json=as_json, text=text)
        return
    heads = {each: datasets.summary(digest) for each, digest in datasets.branches.all().items()}
    shown = {each: datasets.shown(head, branch=each)[head.ref.digest] for each, head in heads.items()}
    if as_json:
        print_result({each: version_row(head, shown[each]) for each, head in heads.items()}, as_json=True)
        return
    rows = [(each, shown[each], head.ref.digest[:8], head.message) for each, head in heads.items()]
    print_table(("branch", "version", "digest", "message"), rows)


def tag(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to give; none lists all.")] = "",
    version: Version = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Name a version for good, or list the names."""
    from dataset.keeping.reviving import revive

    datasets = workbench(context).datasets
    if name:
        digest = datasets.resolve(version or None)
        datasets.tags.check_free(name)
        revive(datasets, digest)
        if not dry_run:
            datasets.tags.pin(name, description=description, splits=datasets.ratios, version=digest)
        named = datasets.shown(datasets.summary(digest))[digest]
        text = f"{'would name' if dry_run else 'named'} {named} {name}"
        print_result({"dry_run": dry_run, "tag": name, "digest": digest}, as_json=as_json, text=text)
        return
    tags = datasets.tags.all()
    opened = datasets.tags.opened()
    if as_json:
        rows = [
            {"name": each.name, "version": each.version, "description": each.description, "open": each.name == opened}
            for each in tags
        ]
        print_result(rows, as_json=True)
        return
    shown = [(t.name, (t.version or "-")[:8], "open" if t.name == opened else "", t.description) for t in tags]
    print_table(("tag", "digest", "", "description"), shown)


for verb in (create, branch, tag):
    dataset_app.command(verb.__name__)(verb)
