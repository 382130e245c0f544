"""Verbs about copies among samples: dataset duplicates, dataset leak-check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.data import dataset_app
from pipeline.console import JsonOutput, named_path, print_result, workbench

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataset.similar import Cluster, DuplicateReport, LeakReport, SampleRow, SplitGap
    from dataset.similar.store import Bytes, FingerprintStore
    from ecosight.ports import Progress
    from pipeline.wiring import Workbench

_SHOWN = 20
_LEAKED = 8

Version = Annotated[str, typer.Argument(help="A number, v3, main@v3, a tag or a digest; default: the newest.")]


def mount(app: typer.Typer) -> None:
    """Add these verbs to `ecosight dataset`, which ``data`` mounts."""
    dataset_app.command("duplicates")(duplicates)
    dataset_app.command("leak-check")(leak_check)


def duplicates(
    context: typer.Context,
    version: Version = "",
    files: Annotated[
        Path | None,
        typer.Option(
            parser=named_path,
            metavar="PATH",
            help="Search these files instead: a folder with a folder per class, or a CSV.",
        ),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Find copies: the same file, the same contents, or one made from the other. Nothing is changed."""
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    if files is not None:
        from dataset.similar.files import read_files

        rows, read = read_files(files, bench.modality.extensions, bench.intake.group_of)
        where: dict[str, Any] = {"files": str(files)}
        report = _search(bench, rows, read, terminal_progress())
    else:
        found = bench.datasets.get(version or None)
        where = {"dataset": str(found.ref)}
        report = _search(bench, list(found.entries), bench.blobs, terminal_progress())
    lines = _report_lines(report, next(iter(where.values())))
    print_result(where | report.as_dict(), as_json=as_json, text=lines)


def leak_check(
    context: typer.Context,
    version: Version = "",
    gap: Annotated[bool, typer.Option(help="Also train on honest and on random splits, and compare.")] = True,
    repeats: Annotated[int, typer.Option(min=2, max=1000, help="Splits of each way.")] = 10,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 8 if something leaks.")] = False,
    as_json: JsonOutput = False,
) -> int:
    """Look for groups and copies on two sides of the split, and measure what a random split would pretend."""
    from dataset.similar import leak_check as check
    from dataset.similar import units
    from ecosight.errors import NotEnoughData
    from ecosight.progress import terminal_progress

    bench, progress = workbench(context), terminal_progress()
    found = bench.datasets.get(version or None)
    rows = list(found.entries)
    copies = _search(bench, rows, bench.blobs, progress)
    measured, missing = None, "not asked for"
    if gap:
        try:
            measured, missing = _gap(bench, rows, units(rows, copies), repeats, progress), ""
        except NotEnoughData as error:
            missing = error.message
    report = check(str(found.ref), rows, copies, gap=measured, gap_missing=missing)
    print_result(report.as_dict(), as_json=as_json, text=_leak_lines(report))
    return _LEAKED if strict and report.leaks else 0


def _search(bench: Workbench, rows: Sequence[SampleRow], source: Bytes, progress: Progress) -> DuplicateReport:
    from dataset.similar import find_duplicates

    return find_duplicates(rows, _store(bench, source), progress)


def _store(bench: Workbench, source: Bytes) -> FingerprintStore | None:
    """None where the modality cannot tell what copies have in common."""
    from dataset.similar import FingerprintStore

    make = getattr(bench.modality, "fingerprinter", None)
    return None if make is None else FingerprintStore(bench.config.cache_folder / "fingerprints", make(), source)


def _gap(
    bench: Workbench, rows: Sequence[SampleRow], together: Sequence[str], repeats: int, progress: Progress
) -> SplitGap:
    from dataset.similar import split_gap
    from training.features import FeatureStore

    store = FeatureStore(bench.config.cache_folder / "features", bench.modality.embedder(), bench.blobs)
    return split_gap(
        store.features([row.sample_id for row in rows], progress),
        [row.label for row in rows],
        together,
        [row.part for row in rows],
        ratios=bench.datasets.ratios,
        seed=bench.config.project.seed,
        progress=progress,
        repeats=repeats,
    )


def _report_lines(report: DuplicateReport, where: str) -> Iterator[str]:
    yield (
        f"{where}: {report.samples} samples, sets of copies: {len(report.clusters)}, "
        f"samples that say nothing new: {report.redundant}"
    )
    if not report.fingerprinter:
        yield "compared by bytes only: this kind of sample has no fingerprints"
    yield from _cluster_lines(report.clusters)
    for each in report.unreadable[:_SHOWN]:
        yield f"unreadable {each.source}: {each.reason}"
    if len(report.unreadable) > _SHOWN:
        yield f"… and {len(report.unreadable) - _SHOWN} more unreadable; --json lists all"


def _cluster_lines(clusters: Sequence[Cluster]) -> Iterator[str]:
    shown = {"bytes": "the same file", "contents": "the same contents", "near": "copies"}
    for cluster in clusters[:_SHOWN]:
        sources = [member.source for member in cluster.members]
        names = ", ".join(sources[:6]) + (f" and {len(sources) - 6} more" if len(sources) > 6 else "")
        kind = shown[cluster.kind] + (f" ({cluster.similarity:.2f})" if cluster.kind == "near" else "")
        notes = [
            f"{what}: {', '.join(each[:16] for each in values[:6])}"
            for what, values in (("groups", cluster.groups), ("labels", cluster.labels), ("parts", cluster.parts))
            if len(values) > 1
        ]
        yield f"{kind}: {names}" + (f"  [{'; '.join(notes)}]" if notes else "")
    if len(clusters) > _SHOWN:
        yield f"… and {len(clusters) - _SHOWN} more; --json lists all"


def _leak_lines(report: LeakReport) -> Iterator[str]:
    if not report.leaks:
        yield f"{report.dataset}: nothing lies on two sides ({report.samples} samples)"
    else:
        yield (
            f"{report.dataset}: on two sides lie groups: {len(report.groups_across)}, sets of copies: "
            f"{len(report.clusters_across)}; test samples with a copy in training: {report.copied_tests}"
        )
        yield from (f"group on two sides: {group}" for group in report.groups_across[:_SHOWN])
        yield from _cluster_lines(report.clusters_across)
    if report.told_apart:
        yield f"sets of copies with more than one label: {len(report.told_apart)}"
        yield from _cluster_lines(report.told_apart)
    if report.unreadable:
        yield f"samples that could not be read: {report.unreadable}; `ecosight dataset duplicates` names them"
    if report.gap is None:
        yield f"honest against random split: {report.gap_missing}"
        return
    told = report.gap.as_dict()
    low, high = told["gap_interval_95"]
    yield (
        f"a logistic regression reaches {told['honest_accuracy']:.3f} where recordings stay together and "
        f"{told['random_accuracy']:.3f} where they do not ({told['repeats']} splits of each way)"
    )
    yield f"a random split flatters by {told['gap']:+.3f} (95% over splits: {low:+.3f} to {high:+.3f})"
