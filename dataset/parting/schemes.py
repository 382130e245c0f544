"""Owns how new groups get their part: stratified, by time (train before val before test), or by station.

The scheme of a line of versions is part of every manifest, so the next commit goes on as the last one did.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS
from dataset.labels import composed
from dataset.parting.ledger import Counts, Standing
from dataset.splitting import DatasetSplitter
from ecosight.errors import InvalidInput, NotEnoughData

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SCHEMES",
    "FreeGroups",
    "Placement",
    "checked_scheme",
    "most_trained",
    "part_at",
    "place_groups",
    "station_key",
    "stations_in",
    "stations_led",
]

SCHEMES = ("stratified", "time", "station")
_STATION = "station\x1f"
"""Begins the names under which stations lie among the groups; no group's name may hold this character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeGroups:
    """Groups without a part, and what is known around them.

    Attributes:
        rows: their samples, with the columns name (of the group), label, captured_at and station.
        standing: label -> part -> samples that have their part.
        ties: pairs of group names that belong on one side, such as near-duplicates; one may have its part already.
        known: the part of each name that has one (also of a tied group, or of a station's name).
    """

    rows: pa.Table
    standing: Standing
    ties: Sequence[tuple[str, str]]
    known: Callable[[Iterable[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The parts of the groups, what else is to be remembered (parts of stations), and the scheme as it is now."""

    parts: Mapping[str, str]
    memory: Mapping[str, str] = field(default_factory=dict)
    scheme: Mapping[str, Any]


def place_groups(scheme: Mapping[str, Any], free: FreeGroups, splitter: DatasetSplitter) -> Placement:
    """A part for every group. Raises: InvalidInput, NotEnoughData: the scheme needs what the samples do not tell."""
    if len(free.rows) == 0:
        return Placement(parts={}, scheme=scheme)
    if scheme["by"] == "time":
        return _by_time(scheme, free, splitter.ratios)
    if scheme["by"] == "station":
        return _by_station(scheme, free, splitter)
    return _stratified(scheme, free, splitter)


def checked_scheme(by: str, holdout: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """A scheme as it begins.

    Args:
        holdout: part -> stations that must be in it, for ``station``.
    Raises: InvalidInput: there is no such scheme or part.
    """
    if by not in SCHEMES:
        raise InvalidInput(f"nothing splits by {by!r}", hint=f"Known: {', '.join(SCHEMES)}.")
    scheme: dict[str, Any] = {"by": by}
    if holdout:
        if by != "station":
            raise InvalidInput("stations are held out by the scheme station only", hint="Add --by station.")
        if unknown := sorted(set(holdout) - set(PARTS)):
            raise InvalidInput(f"there is no part {unknown[0]!r}", hint="For example test=north,creek.")
        holdout = {part: [composed(station) for station in stations] for part, stations in holdout.items()}
        told = Counter(station for stations in holdout.values() for station in set(stations))
        if twice := sorted(station for station, parts in told.items() if parts > 1):
            raise InvalidInput(f"the station {twice[0]!r} cannot be held out in two parts", hint="Name it once.")
        scheme["holdout"] = {part: sorted(stations) for part, stations in sorted(holdout.items())}
    return scheme


def most_trained(parts: Iterable[str]) -> str:
    """Of several parts the first of train, val, test: whoever trained on a group must not be tested on it."""
    return min(parts, key=PARTS.index)


def part_at(scheme: Mapping[str, Any], millisecond: int) -> str:
    """Where a moment belongs in a scheme by time."""
    return PARTS[sum(millisecond > cut for cut in scheme["cuts"])]


def stations_in(sources: Sequence[str], pattern: str) -> pa.Array:
    """The station that each file name tells; null where the pattern matches nothing.

    Raises: InvalidInput: it is no regular expression.
    """
    import pyarrow as pa

    try:
        found = [re.search(pattern, composed(source)) for source in sources]
    except re.error as error:
        raise InvalidInput(f"{pattern!r} is no regular expression: {error}", hint=r"Such as '^(\w+)-'.") from error
    names = [match and (match.group(1) if match.re.groups else match.group(0)) for match in found]
    return pa.array([name or None for name in names], pa.string())


# -- stratified --------------------------------------------------------------------------------------------


def _stratified(scheme: Mapping[str, Any], free: FreeGroups, splitter: DatasetSplitter) -> Placement:
    counts = _counts(free.rows)
    units = _united(counts, free.ties)
    if not units:
        return Placement(parts=splitter.place(counts, free.standing), scheme=scheme)
    return Placement(parts=_place_units(counts, units, {}, free, splitter), scheme=scheme)


def _place_units(
    counts: Mapping[str, Counts],
    units: Mapping[str, str],
    fixed: Mapping[str, str],
    free: FreeGroups,
    splitter: DatasetSplitter,
) -> dict[str, str]:
    """Place whole units; one that holds a name with a part (from ``fixed`` or before) goes there."""
    known = dict(free.known(name for name in units if name not in counts)) | dict(fixed)
    decided: dict[str, str] = {}
    for name, part in known.items():
        unit = units.get(name, name)
        decided[unit] = most_trained([part, decided.get(unit, part)])
    standing = {label: Counter(parts) for label, parts in free.standing.items()}
    together: dict[str, Counter[str]] = {}
    for name, pairs in counts.items():
        unit = units.get(name, name)
        if unit in decided:
            for label, many in pairs:
                standing.setdefault(label, Counter())[decided[unit]] += many
        else:
            together.setdefault(unit, Counter()).update(dict(pairs))
    placed = splitter.place({unit: tuple(sorted(many.items())) for unit, many in together.items()}, standing)
    return {name: decided.get(units.get(name, name)) or placed[units.get(name, name)] for name in counts}


def _counts(rows: pa.Table) -> dict[str, Counts]:
    """Group -> (label, samples) pairs; equal ones are one object."""
    counted = rows.group_by(["name", "label"]).aggregate([([], "count_all")])
    seen: dict[Counts, Counts] = {}
    found: dict[str, Counts] = {}
    names, labels = counted["name"].to_pylist(), counted["label"].to_pylist()
    for name, label, many in zip(names, labels, counted["count_all"].to_pylist(), strict=True):
        pair = ((label, many),)
        pair = tuple(sorted(found[name] + pair)) if name in found else pair
        found[name] = seen.setdefault(pair, pair)
    return found


def _united(names: Iterable[str], ties: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name -> the smallest name that it is tied to, directly or through others; without those that are alone."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = name = leader[leader[name]]
        return name

    for one, other in ties:
        first, second = sorted((find(one), find(other)))
        leader[second] = first
    return {name: find(name) for name in leader}


# -- by station --------------------------------------------------------------------------------------------


def _by_station(scheme: Mapping[str, Any], free: FreeGroups, splitter: DatasetSplitter) -> Placement:
    """All groups of a station in one part, and those of the next commits too."""
    told = free.rows.filter(free.rows.column("station").is_valid()).group_by(["name", "station"]).aggregate([])
    of = [
        (name, station_key(station))
        for name, station in zip(*(told[c].to_pylist() for c in told.column_names), strict=True)
    ]
    counts = _counts(free.rows)
    if unknown := len(counts.keys() - {name for name, _ in of}):
        raise InvalidInput(
            f"{unknown} groups do not tell their station", hint="Give --station-pattern, or a station in the details."
        )
    stations = sorted({station for _, station in of})
    held = {station_key(name): part for part, names in scheme.get("holdout", {}).items() for name in names}
    fixed = {name: held[name] for name in stations if name in held} | dict(free.known(stations))
    units = _united(counts, [*of, *free.ties])
    parts = _place_units(counts, units, fixed, free, splitter)
    memory = {station: parts[name] for name, station in of} | fixed
    return Placement(parts=parts, memory=memory, scheme=scheme)


def station_key(station: str) -> str:
    """The name under which a station has its part among the groups."""
    return _STATION + station


def stations_led(scheme: Mapping[str, Any], rows: pa.Table, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts of stations to which groups that have theirs lead, such as a recorder that was moved there.

    Args:
        rows: new samples, as in ``FreeGroups``. parts: group -> part, of those that have one.
    Returns: a station's name among the groups -> part; without the stations that are held out by name.
    """
    if scheme["by"] != "station":
        return {}
    held = {name for names in scheme.get("holdout", {}).values() for name in names}
    led: dict[str, str] = {}
    for name, station in zip(rows["name"].to_pylist(), rows["station"].to_pylist(), strict=True):
        if name in parts and station is not None and station not in held:
            key = station_key(station)
            led[key] = most_trained([parts[name], led.get(key, parts[name])])
    return led


# -- by time -----------------------------------------------------------------------------------------------


def _by_time(scheme: Mapping[str, Any], free: FreeGroups, ratios: Mapping[str, float]) -> Placement:
    """Train before val before test. The cuts are chosen once, between groups that do not overlap; then they stay."""
    spans = _spans(free.rows)
    if "cuts" not in scheme:
        cuts = _cuts(spans, ratios)
        at = [datetime.fromtimestamp(cut / 1000, UTC).isoformat() for cut in cuts]
        scheme = {**scheme, "cuts": cuts, "cuts_utc": at}
    return Placement(parts={name: part_at(scheme, last) for name, _, last, _ in spans}, scheme=scheme)


def _spans(rows: pa.Table) -> list[tuple[str, int, int, int]]:
    """(group, first moment, last moment, samples), by the first moment; milliseconds."""
    import pyarrow as pa

    if rows.column("captured_at").null_count:
        raise InvalidInput(
            f"{rows.column('captured_at').null_count} samples do not tell when they were captured",
            hint="A split by time needs that of every sample.",
        )
    moments = rows.select(["name"]).append_column("at", rows.column("captured_at").cast(pa.int64()))
    told = moments.group_by("name").aggregate([("at", "min"), ("at", "max"), ("at", "count")])
    columns = (told[name].to_pylist() for name in ("name", "at_min", "at_max", "at_count"))
    return sorted(zip(*columns, strict=True), key=lambda span: (span[1], span[2], span[0]))


def _cuts(spans: Sequence[tuple[str, int, int, int]], ratios: Mapping[str, float]) -> list[int]:
    total = sum(many for *_, many in spans)
    gaps: list[tuple[int, float]] = []
    reached, done = spans[0][2], 0
    for _, first, last, many in spans:
        if first > reached:
            gaps.append((reached, done / total))
        reached, done = max(reached, last), done + many
    best = [
        (abs(one[1] - ratios["train"]) + abs(two[1] - ratios["train"] - ratios["val"]), one[0], two[0])
        for one, two in _choices(gaps, ratios)
    ]
    if not best:
        raise NotEnoughData(
            "the recordings cannot be cut into three times that follow each other",
            hint="A split by time needs at least three groups that do not overlap.",
        )
    return list(min(best)[1:])


def _choices(gaps: Sequence[tuple[int, float]], ratios: Mapping[str, float]) -> Iterable[tuple[Any, Any]]:
    """Pairs of gaps near the targets: a few on each side are enough, since the shares rise with time."""
    near = {
        row
        for target in (ratios["train"], ratios["train"] + ratios["val"])
        for row in sorted(range(len(gaps)), key=lambda row: abs(gaps[row][1] - target))[:8]
    }
    rows = sorted(near)
    return ((gaps[one], gaps[two]) for place, one in enumerate(rows) for two in rows[place + 1 :])
