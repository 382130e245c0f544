"""Owns what is asked to change in a dataset: rows whose empty fields mean "as it is", or "let EcoSight decide"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS
from dataset.labels import composed
from dataset.storing.rows import entry_schema, keys_of_hex, ordered
from dataset.storing.snapshots import key_column
from ecosight.errors import InvalidInput
from ecosight.values import Sample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["change_schema", "changes_from_samples", "joined", "no_changes", "relabelled", "removed", "station_of"]

_BATCH = 50_000

StationOf = Callable[[Sample], str | None]


def change_schema() -> pa.Schema:
    """The columns of an entry, and what to do: ``put``, ``return`` (put, even if it was once removed) or ``remove``.

    Null: the label, group, source, … that is there; the part of the group; the time of the commit.
    """
    import pyarrow as pa

    return entry_schema().append(pa.field("action", pa.string()))


def no_changes() -> pa.Table:
    return change_schema().empty_table()


def station_of(sample: Sample) -> str | None:
    """The place a sample comes from, as far as its details tell."""
    told = sample.details.get("station") or sample.details.get("sensor")
    return (composed(str(told)) or None) if told else None


def changes_from_samples(
    samples: Iterable[Sample],
    *,
    station: StationOf = station_of,
    explicit: bool = False,
    parts: Mapping[str, str] | None = None,
    annotators: Mapping[str, int] | None = None,
    kept: Mapping[str, str] | None = None,
) -> pa.Table:
    """Put these samples in, with the labels that they have.

    Args:
        kept: sample id -> the label that the dataset has for it, which stays; so no correction is taken back.
        explicit: also those that were removed once.
        parts: sample id -> the part that it must have, such as its publisher says; others get theirs by the scheme.
        annotators: sample id -> how many people gave the label, where that is known.
    Raises: InvalidInput: a sample without a label, or whose id is no digest.
    """
    import pyarrow as pa

    kept = kept or {}
    iterator, tables, unlabelled = iter(samples), [no_changes()], 0
    while batch := list(islice(iterator, _BATCH)):
        good = [sample for sample in batch if sample.label is not None]
        unlabelled += len(batch) - len(good)
        tables.append(
            _table(
                [sample.id for sample in good],
                "return" if explicit else "put",
                label=[None if sample.id in kept else sample.label for sample in good],
                group=[None if sample.group == sample.id else sample.group for sample in good],
                source=[sample.source for sample in good],
                size_bytes=[sample.size_bytes for sample in good],
                captured_at=[sample.captured_at for sample in good],
                station=[station(sample) for sample in good],
                part=[(parts or {}).get(sample.id) for sample in good],
                # Who agreed on another label did not agree on the one that is kept.
                annotators=[
                    (annotators or {}).get(sample.id) if kept.get(sample.id, sample.label) == sample.label else None
                    for sample in good
                ],
            )
        )
    if unlabelled:
        raise InvalidInput(f"{unlabelled} samples have no label", hint="Only labelled samples are versioned.")
    return ordered(pa.concat_tables(tables))


def relabelled(
    labels: Mapping[str, str],
    *,
    annotators: Mapping[str, int] | None = None,
    labelled_at: datetime | None = None,
    parts: Mapping[str, str] | None = None,
) -> pa.Table:
    """Give samples of the dataset another label.

    Args:
        labels: sample id -> label. annotators: sample id -> how many people agreed on it [1].
        labelled_at: when; None: at the commit.
        parts: sample id -> the part that it must have, against the split.
    """
    ids = list(labels)
    return ordered(
        _table(
            ids,
            "put",
            label=[labels[id] for id in ids],
            annotators=[(annotators or {}).get(id) for id in ids],
            labelled_at=[labelled_at for _ in ids],
            part=[(parts or {}).get(id) for id in ids],
        )
    )


def moved(parts: Mapping[str, str]) -> pa.Table:
    """Give samples a part of the caller's choice. Raises: InvalidInput: there is no such part."""
    if unknown := set(parts.values()) - set(PARTS):
        raise InvalidInput(f"there is no part {min(unknown)!r}", hint=f"Parts are {', '.join(PARTS)}.")
    return ordered(_table(list(parts), "put", part=list(parts.values())))


def removed(sample_ids: Iterable[str]) -> pa.Table:
    """Take samples out. They do not come back with the next upload or retraining, only when they are added again."""
    return ordered(_table(list(sample_ids), "remove"))


def joined(changes: Sequence[pa.Table]) -> pa.Table:
    """Several changes one after the other; of one sample, a later field wins over an earlier one."""
    import pyarrow as pa

    from dataset.storing.rows import keys_of, rows_at

    result = no_changes()
    for each in changes:
        import pyarrow.compute as pc

        at = rows_at(keys_of(result), keys_of(each))
        before = result.take(pa.array(at, mask=at < 0))
        columns = {}
        for name in each.column_names:
            column = each.column(name)
            # What was removed and put again keeps nothing; what was put and changed keeps the rest.
            kept = pc.if_else(pc.equal(before.column("action"), "remove"), None, before.column(name))
            columns[name] = column if name in ("id", "action") else pc.coalesce(column, kept)
        again = pc.and_(pc.equal(before.column("action"), "return"), pc.equal(each.column("action"), "put"))
        columns["action"] = pc.if_else(pc.fill_null(again, False), "return", columns["action"])
        result = ordered(pa.concat_tables([result, pa.table(columns, schema=change_schema())]))
    return result


def _table(ids: Sequence[str], action: str, **columns: Sequence[Any]) -> pa.Table:
    import pyarrow as pa

    schema = change_schema()
    arrays = {name: pa.array(values, schema.field(name).type) for name, values in columns.items()}
    arrays["id"] = key_column(keys_of_hex(ids))
    arrays["action"] = pa.array([action] * len(ids), pa.string())
    for name in schema.names:
        if name not in arrays:
            arrays[name] = pa.nulls(len(ids), schema.field(name).type)
    return pa.table({name: arrays[name] for name in schema.names}, schema=schema)
