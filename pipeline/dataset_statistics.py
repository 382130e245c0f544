"""Puts the statistics of a dataset version together: its columns, the store of samples, and the modality's meter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.describing import QualitySummary, Statistics
    from dataset.storing.manifests import DatasetVersion
    from pipeline.wiring import Workbench

__all__ = ["statistics_of", "stats_lines", "times_not_told", "write_page"]

_SHOWN = 5


def statistics_of(
    bench: Workbench, version: DatasetVersion, *, quality: bool, most: int, accuracy: float
) -> Statistics:
    """The statistics of a version.

    Args:
        quality: whether samples are read. most: at most so many, 0 for all.
    Raises: InvalidInput: the accuracy. Unavailable: the database or the cache cannot be used.
    """
    from dataset.describing import describe, groups_needed, read_statements, read_store_facts
    from dataset.describing.summary import entries_table

    groups_needed(accuracy)  # refused before samples are read
    table = entries_table(version)
    return describe(
        version,
        facts=read_store_facts(table, bench.db),
        statements=read_statements(table, bench.db),
        quality=_quality(bench, version, most) if quality else None,
        accuracy=accuracy,
    )


def times_not_told(bench: Workbench, entries: pa.Table) -> int:
    """Of how many rows of a version nothing tells when they were captured, only when they came in."""
    from dataset.describing import read_store_facts
    from dataset.describing.tallies import columns_of

    sources = read_store_facts(entries, bench.db, most=0).sources
    return int(columns_of(entries, sources).column("hour").null_count)


def stats_lines(statistics: Statistics, report: Path | None) -> list[str]:
    """The statistics for people, on a terminal."""
    told = statistics
    lines = [f"{told.version}: {told.samples} samples, {told.groups} groups, {told.size_bytes / 1e6:,.1f} MB"]
    lines += [f"  {row.value}: {row.samples}" for row in told.tallies["class"]]
    balance = told.balance["samples"]
    if balance.entropy is not None:
        ratio = f"the largest has {balance.imbalance:.3g} times the smallest"
        lines.append(f"as even as {balance.effective:.1f} equal classes; {ratio}")
    if told.quality is not None:
        flags = ", ".join(f"{many} {flag}" for flag, many in told.quality.flags.items() if many)
        lines.append(f"quality of {told.quality.looked_at} looked at: {told.quality.good} good; {flags or 'no flags'}")
    for each in told.wanted[:_SHOWN]:
        lines.append(f"collect {each.groups} groups of {each.kind} {each.value} ({each.reason})")
    if len(told.wanted) > _SHOWN:
        lines.append(f"and {len(told.wanted) - _SHOWN} more to collect (--json, --report)")
    if report is not None:
        lines.append(f"the page is {report}")
    return lines


def write_page(statistics: Statistics, file: Path) -> None:
    """Write the page of a version's statistics. Raises: InvalidInput: the file cannot be written."""
    from dataset.describing import statistics_page
    from ecosight.errors import InvalidInput

    page = statistics_page(statistics)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, "utf-8")
    except OSError as error:
        raise InvalidInput(
            f"the report {file} cannot be written: {error.strerror}", hint="Name a file in a folder you may write to."
        ) from error


def _quality(bench: Workbench, version: DatasetVersion, most: int) -> QualitySummary | None:
    """None where the kind of sample has no meter."""
    make = getattr(bench.modality, "quality_meter", None)
    if make is None:
        return None
    from dataset.describing import QualityStore, summarise_quality
    from ecosight.progress import terminal_progress

    # A digest tells nothing about a sample, so the first of them are as good as drawn by lot, and the same next time.
    some = version.entries[:most] if most else version.entries
    labels = {entry.sample_id: entry.label for entry in some}
    meter = make()
    store = QualityStore(bench.config.cache_folder / "quality", meter, bench.blobs)
    qualities = store.collect(list(labels), terminal_progress())
    return summarise_quality(labels, qualities, meter, of=len(version.entries))
