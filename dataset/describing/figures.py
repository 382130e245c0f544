"""Owns the geometry of the report's figures; the template draws them as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataset.describing.tallies import Row, Spread

__all__ = ["Bar", "Chart", "clock_chart", "spread_chart", "told_number"]

WIDTH, HEIGHT, FLOOR = 480, 120, 20
"""Of the drawing, in its own units; the floor is the room for ticks below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle, from the upper left corner, and what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars, and ticks as (x, text, anchor)."""

    title: str
    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, str, str]]
    width: int = WIDTH
    height: int = HEIGHT + FLOOR
    floor: int = HEIGHT


def clock_chart(title: str, rows: Sequence[Row], values: Sequence[str], every: int) -> Chart:
    """Samples for each of all possible values, such as the 24 hours; what never occurs is a gap.

    Args:
        every: each so-manieth value has a tick.
    """
    counts = {row.value: row for row in rows}
    most = max((row.samples for row in rows), default=1)
    step = WIDTH / len(values)
    bars = []
    for place, value in enumerate(values):
        row = counts.get(value)
        if row is not None:
            told = f"{value}: {row.samples:,} samples, {row.groups:,} groups"
            bars.append(_bar(place * step, step, row.samples / most, told))
    ticks = [((place + 0.5) * step, value, "middle") for place, value in enumerate(values) if place % every == 0]
    return Chart(title=title, bars=bars, ticks=ticks)


def spread_chart(name: str, spread: Spread) -> Chart:
    """A histogram."""
    most, step = max(spread.counts), WIDTH / len(spread.counts)
    bars = [
        _bar(
            place * step,
            step,
            count / most,
            f"{told_number(name, spread.edges[place])} to {told_number(name, spread.edges[place + 1])}: {count:,}",
        )
        for place, count in enumerate(spread.counts)
        if count
    ]
    middle = len(spread.counts) // 2
    ticks = [(0.0, told_number(name, spread.edges[0]), "start"), (WIDTH, told_number(name, spread.edges[-1]), "end")]
    if middle:
        ticks.insert(1, (middle * step, told_number(name, spread.edges[middle]), "middle"))
    return Chart(title=title_of(name), bars=bars, ticks=ticks)


_UNITS: Mapping[str, str] = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_db": "dB", "_dbfs": "dBFS", "_px": "px"}


def title_of(name: str) -> str:
    """``duration_s`` as ``duration``."""
    for ending in ("_bytes", *_UNITS):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


def told_number(name: str, value: float) -> str:
    """A number with the unit that its name ends with."""
    if name.endswith("_bytes"):
        for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= size:
                return f"{value / size:.3g} {unit}"
        return f"{value:.0f} B"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _bar(x: float, step: float, share: float, told: str) -> Bar:
    height = max(1.0, share * (HEIGHT - 4))  # the smallest is still seen
    gap = min(2.0, step / 4)
    return Bar(x=x + gap / 2, y=HEIGHT - height, width=step - gap, height=height, told=told)
