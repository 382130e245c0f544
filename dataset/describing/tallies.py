"""Owns counting a version's samples and groups by class, station, hour, month and source, in Arrow's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS
from dataset.parting.group_parts import group_names

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Row", "Spread", "annotator_counts", "columns_of", "spread_of", "tally"]

_LATE_MS = 3_600_000
_BINS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What there is of one value: samples, groups, and both by part; a group with several values counts for each."""

    value: str
    samples: int
    groups: int
    part_samples: Mapping[str, int]
    part_groups: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a number is spread: its quantiles, and a histogram whose bins grow by a factor where the range is wide.

    Attributes:
        counted: samples that it is known of. edges: of the bins, one more than ``counts``.
    """

    counted: int
    total: float
    least: float
    p5: float
    median: float
    p95: float
    most: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def columns_of(entries: pa.Table, sources: pa.Array | None = None) -> pa.Table:
    """The columns that are counted: label, part, group, station, hour, month and source; null where not known.

    ``hour`` and ``month`` (UTC) are of the moment of capture. A sample whose file did not tell it has the moment of
    coming in instead; that is assumed within an hour before the label was set, except for uploads, and counts as
    not known.

    Args:
        entries: rows of a version (``dataset.storing.rows.entry_schema``).
        sources: where each label is from; see ``dataset.describing.sources``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    captured, labelled = (entries.column(name).cast(pa.int64()) for name in ("captured_at", "labelled_at"))
    late = pc.subtract(labelled, captured)
    as_it_came = pc.and_(pc.greater_equal(late, 0), pc.less_equal(late, _LATE_MS))
    if sources is not None:
        as_it_came = pc.and_(as_it_came, pc.not_equal(sources, "upload"))
    moment = pc.if_else(pc.fill_null(as_it_came, False), None, entries.column("captured_at"))
    columns = {
        "label": entries.column("label"),
        "part": entries.column("part"),
        "group": group_names(entries).dictionary_encode().indices,
        "station": entries.column("station"),
        "hour": pc.strftime(moment, "%H") if moment.null_count < len(moment) else pa.nulls(len(entries), pa.string()),
        "month": pc.strftime(moment, "%m") if moment.null_count < len(moment) else pa.nulls(len(entries), pa.string()),
        "source": sources if sources is not None else pa.nulls(len(entries), pa.string()),
    }
    return pa.table(columns)


def tally(columns: pa.Table, name: str) -> tuple[Row, ...]:
    """A row for each known value of a column, values sorted."""
    table = columns.select([name, "part", "group"]).drop_null()
    triples = table.group_by([name, "part", "group"]).aggregate([([], "count_all")])
    by_part = triples.group_by([name, "part"]).aggregate([("count_all", "sum"), ([], "count_all")]).to_pylist()
    whole = {each[name]: each["group_count_distinct"] for each in _distinct(triples, name)}
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for each in by_part:
        found.setdefault(each[name], {})[each["part"]] = (each["count_all_sum"], each["count_all"])
    return tuple(
        Row(
            value=value,
            samples=sum(samples for samples, _ in found[value].values()),
            groups=whole[value],
            part_samples={part: found[value].get(part, (0, 0))[0] for part in PARTS},
            part_groups={part: found[value].get(part, (0, 0))[1] for part in PARTS},
        )
        for value in sorted(found)
    )


def annotator_counts(entries: pa.Table) -> dict[int, int]:
    """How many people gave the label -> samples."""
    import pyarrow.compute as pc

    counted = pc.fill_null(entries.column("annotators"), 1).value_counts().to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counted, key=lambda row: int(row["values"]))}


def spread_of(values: NDArray[np.float64]) -> Spread | None:
    """The spread of the finite values, float64 (n,); None where there is none."""
    import numpy as np

    known = values[np.isfinite(values)]
    if not known.size:
        return None
    least, p5, median, p95, most = (float(each) for each in np.quantile(known, [0, 0.05, 0.5, 0.95, 1]))
    if least == most:
        edges = np.array([least, most])
        counts = np.array([known.size])
    else:
        wide = least > 0 and most / least > 20
        edges = np.geomspace(least, most, _BINS + 1) if wide else np.linspace(least, most, _BINS + 1)
        edges[0], edges[-1] = least, most  # rounding must not leave the ends outside
        counts = np.histogram(known, edges)[0]
    return Spread(
        counted=int(known.size),
        total=float(known.sum()),
        least=least,
        p5=p5,
        median=median,
        p95=p95,
        most=most,
        edges=tuple(float(each) for each in edges),
        counts=tuple(int(each) for each in counts),
    )


def _distinct(triples: pa.Table, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = triples.group_by([name]).aggregate([("group", "count_distinct")]).to_pylist()
    return rows
