"""Owns the statistics of a dataset version as one value: counted from its columns, no sample is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from dataset.describing.agreement import Agreement, agreement_of
from dataset.describing.balance import Balance, balance_of
from dataset.describing.tallies import Row, Spread, annotator_counts, columns_of, spread_of, tally
from dataset.describing.wanted import MARGIN, Wanted, groups_needed, what_to_collect
from dataset.parting.group_parts import group_names
from dataset.storing.manifests import DatasetVersion
from dataset.storing.sequence import EntrySequence, table_of

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.describing.quality import QualitySummary
    from dataset.describing.sources import StoreFacts
    from ecosight.values import Annotation

__all__ = ["FACETS", "Statistics", "describe", "entries_table"]

FACETS = ("class", "station", "hour", "month", "source")
_COLUMN = {"class": "label"}
_BY_SCHEME = {"time": "month", "station": "station"}
"""What each scheme keeps whole: of it, the parts hold what they hold on purpose."""
_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a version holds.

    Attributes:
        version, digest, message, made_at: of the version. scheme: by what its groups get their part.
        samples, groups, size_bytes: of all.
        tallies: facet (see ``FACETS``) -> a row for each value. unknown: facet -> samples whose value is not known.
        spreads: number -> how it is spread: ``size_bytes``, and what the modality measured.
        annotators: how many people gave a label -> samples. agreement: where several people's statements are kept.
        balance: of the classes' ``samples`` and ``groups``.
        accuracy, needed: the expected accuracy that was planned for, and the test groups that it needs.
        wanted: what to collect next. quality: None where it was not measured.
        notes: sentences about what is not known.
    """

    version: str
    digest: str
    message: str
    made_at: str
    scheme: str
    samples: int
    groups: int
    size_bytes: int
    tallies: Mapping[str, Sequence[Row]]
    unknown: Mapping[str, int]
    spreads: Mapping[str, Spread]
    annotators: Mapping[int, int]
    agreement: Agreement
    balance: Mapping[str, Balance]
    accuracy: float
    needed: int
    wanted: Sequence[Wanted]
    quality: QualitySummary | None
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON; of a facet's rows and of what is wanted at most 1,000 each, with how many there are."""
        short = replace(
            self,
            tallies={name: rows[:_MOST] for name, rows in self.tallies.items()},
            wanted=self.wanted[:_MOST],
        )
        many = {"values": {name: len(rows) for name, rows in self.tallies.items()}, "wanted_in_all": len(self.wanted)}
        return asdict(short) | {"annotators": {str(many): n for many, n in self.annotators.items()}} | many


def describe(
    version: DatasetVersion,
    *,
    facts: StoreFacts | None = None,
    statements: Iterable[Annotation] = (),
    quality: QualitySummary | None = None,
    accuracy: float = 0.5,
) -> Statistics:
    """Count a version.

    Args:
        facts: what the store knows of its samples. statements: what people said about them.
        quality: what was measured of them.
        accuracy: share of right answers expected of the model, for planning; 0.5 is the worst case.
    Raises: InvalidInput: the accuracy is not within 0 to 1.
    """
    import pyarrow.compute as pc

    table = entries_table(version)
    columns = columns_of(table, None if facts is None else facts.sources)
    tallies = {name: tally(columns, _COLUMN.get(name, name)) for name in FACETS}
    unknown = {name: columns.column(_COLUMN.get(name, name)).null_count for name in FACETS}
    by = str(version.scheme.get("by", "stratified"))
    planned = {
        name: rows
        for name, rows in tallies.items()
        if name == "class" or (name != "source" and name != _BY_SCHEME.get(by) and len(rows) > 1)
    }
    return Statistics(
        version=str(version.ref),
        digest=version.ref.digest,
        message=version.message,
        made_at=version.created_at.isoformat(),
        scheme=by,
        samples=len(table),
        groups=pc.count_distinct(group_names(table)).as_py(),
        size_bytes=pc.sum(table.column("size_bytes")).as_py() or 0,
        tallies=tallies,
        unknown=unknown,
        spreads=_spreads(table, facts),
        annotators=annotator_counts(table),
        agreement=agreement_of(statements),
        balance={
            "samples": balance_of({row.value: row.samples for row in tallies["class"]}),
            "groups": balance_of({row.value: row.groups for row in tallies["class"]}),
        },
        accuracy=accuracy,
        needed=groups_needed(accuracy),
        # In a split by time, whatever comes next is later than the last cut.
        wanted=what_to_collect(planned, test_share=1.0 if by == "time" else version.ratios["test"], accuracy=accuracy),
        quality=quality,
        notes=tuple(_notes(len(table), unknown, facts, by, accuracy)),
    )


def entries_table(version: DatasetVersion) -> pa.Table:
    """A version's rows as columns, in order of the sample id."""
    entries = version.entries
    return entries.table if isinstance(entries, EntrySequence) else table_of(entries)


def _spreads(table: pa.Table, facts: StoreFacts | None) -> dict[str, Spread]:
    import numpy as np

    numbers = {"size_bytes": table.column("size_bytes").to_numpy().astype(np.float64)}
    numbers |= {} if facts is None else dict(facts.measured)
    return {name: spread for name, values in numbers.items() if (spread := spread_of(values)) is not None}


def _notes(
    samples: int, unknown: Mapping[str, int], facts: StoreFacts | None, by: str, accuracy: float
) -> Iterable[str]:
    if unknown["hour"]:
        yield (
            f"Of {unknown['hour']:,} of {samples:,} samples nothing tells when they were captured, only when they "
            "came in; they have no hour and no month here."
        )
    if unknown["station"]:
        yield (
            f"Of {unknown['station']:,} of {samples:,} samples the station is not known; "
            "`ecosight dataset split NAME --by station --station-pattern …` finds it in their file names."
        )
    if facts is not None and facts.asked < samples:
        yield f"Numbers measured at intake are those of {facts.asked:,} samples, as good as drawn by lot."
    yield "Of a label, a version keeps how many people agreed on it, not who said what."
    if by in _BY_SCHEME:
        kept = {"month": "months", "station": "stations"}[_BY_SCHEME[by]]
        yield f"This split is by {by}: which {kept} the test part holds is on purpose, so none are asked for."
    if accuracy == 0.5:
        other = f"{groups_needed(0.9)} groups would do for a model that is right in 9 of 10"
        yield f"±{100 * MARGIN:.0f} points whatever the accuracy need {groups_needed(0.5)} test groups; {other}."
