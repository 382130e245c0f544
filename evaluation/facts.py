"""Owns what is known about samples beside their label, as columns of short texts: what slices are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["facts_of"]

_SEASONS = ("winter", "spring", "summer", "autumn")


def facts_of(entries: Sequence[Any], more: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, tuple[str, ...]]:
    """Facts of each entry, "" where unknown; a fact that nothing is known of is left out.

    ``hour`` (``00``–``23``), ``month`` (``01``–``12``) and ``season`` are of the moment of capture, in UTC; seasons
    are those of the northern half of the world (``winter`` is December to February).

    Args:
        entries: of a dataset version, or anything with ``captured_at``, ``station`` and ``annotators``; what an
            entry does not have is unknown.
        more: facts from elsewhere, such as quality: name -> sample id -> value.
    """
    columns = {
        "station": tuple(str(getattr(entry, "station", "") or "") for entry in entries),
        **{name: tuple(tell(entry) for entry in entries) for name, tell in _BY_TIME.items()},
        "annotators": tuple(str(getattr(entry, "annotators", "") or "") for entry in entries),
    }
    for name, values in (more or {}).items():
        columns[name] = tuple(values.get(entry.sample_id, "") for entry in entries)
    return {name: values for name, values in columns.items() if any(values)}


def _captured(entry: Any) -> datetime | None:
    moment = getattr(entry, "captured_at", None)
    return moment if isinstance(moment, datetime) else None


def _hour(entry: Any) -> str:
    moment = _captured(entry)
    return "" if moment is None else f"{moment.hour:02d}"


def _month(entry: Any) -> str:
    moment = _captured(entry)
    return "" if moment is None else f"{moment.month:02d}"


def _season(entry: Any) -> str:
    moment = _captured(entry)
    return "" if moment is None else _SEASONS[moment.month % 12 // 3]


_BY_TIME = {"hour": _hour, "month": _month, "season": _season}
