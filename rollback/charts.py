"""The figures of an incident as SVG inside the page: crisp at any size, in light and dark, without scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

__all__ = ["Curve", "Marker", "density_chart", "time_chart"]

WIDTH, HEIGHT = 860.0, 264.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 40.0, 34.0
GAP = 12.0
"""Pixels that two labels keep between their baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a figure.

    Attributes:
        role: ``candidate``, ``control``, ``champion`` or ``m0`` … ``m5``: what colours it, in the page's style.
        points: (x, y), by x. Times are POSIX seconds.
        steps: the value holds until the next point; else the points are joined.
        filled: the ground below is tinted.
    """

    name: str
    role: str
    points: Sequence[tuple[float, float]]
    steps: bool = False
    filled: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment or a value with a name: an upright line, or a level one."""

    at: float
    name: str
    role: str = "trip"


def time_chart(
    title: str,
    curves: Sequence[Curve],
    *,
    markers: Sequence[Marker] = (),
    levels: Sequence[Marker] = (),
    y_name: str,
    low: float = 0.0,
    high: float | None = None,
) -> str:
    """Curves over time. Empty where no curve has a point."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    times = [x for curve in drawn for x, _ in curve.points] + [marker.at for marker in markers]
    first, last = min(times), max(times)
    if last - first < 1.0:
        first, last = first - 0.5, last + 0.5
    tops = [y for curve in drawn for _, y in curve.points] + [level.at for level in levels]
    top = high if high is not None else _nice_above(max(tops) * 1.08 - low * 0.08)
    frame = _Frame(first, last, low, top if top > low else low + 1.0)
    ticks = [(x, datetime.fromtimestamp(x, UTC).strftime("%H:%M:%S")) for x in _ticks(first, last, 6)]
    parts = [frame.grid(ticks, [(y, f"{y:g}") for y in _ticks(low, frame.y_high, 5)])]
    parts += [frame.level(level) for level in levels]
    parts += [frame.curve(curve) for curve in drawn]
    parts.append(frame.markers(markers))
    return _figure(title, y_name, drawn, parts)


def density_chart(
    title: str,
    histograms: Mapping[str, tuple[str, Sequence[tuple[float, int]]]],
    *,
    markers: Sequence[Marker] = (),
    x_name: str = "ms",
) -> str:
    """How often which latency came, on a logarithmic scale. Empty where nothing was counted.

    Args:
        histograms: name to (role, [(upper edge in ms, count)]).
    """
    counted = {name: (role, rows) for name, (role, rows) in histograms.items() if sum(count for _, count in rows)}
    if not counted:
        return ""
    edges = [edge for _, rows in counted.values() for edge, count in rows if count]
    edges += [marker.at for marker in markers]
    low, high = math.log10(min(edges)) - 0.08, math.log10(max(edges)) + 0.08
    bins = 60
    curves, tallest = [], 0.0
    for name, (role, rows) in counted.items():
        total = sum(count for _, count in rows)
        shares = [0.0] * bins
        for edge, count in rows:
            shares[min(bins - 1, int((math.log10(edge) - low) / (high - low) * bins))] += 100 * count / total
        width = (high - low) / bins
        tallest = max(tallest, *shares)
        curves.append(
            Curve(
                name=name,
                role=role,
                points=[(low + i * width, share) for i, share in enumerate([*shares, 0.0])],
                steps=True,
                filled=True,
            )
        )
    frame = _Frame(low, high, 0.0, _nice_above(tallest * 1.05))
    ticks = [(math.log10(value), f"{value:g}") for value in _decades(low, high)]
    parts = [frame.grid(ticks, [(y, f"{y:g}%") for y in _ticks(0, frame.y_high, 4)])]
    parts += [frame.curve(curve) for curve in curves]
    parts.append(frame.markers([Marker(math.log10(each.at), each.name, each.role) for each in markers]))
    return _figure(title, f"share of answers by latency in {x_name}", curves, parts)


class _Frame:
    """The area that is drawn on, and its scales."""

    def __init__(self, x_low: float, x_high: float, y_low: float, y_high: float) -> None:
        self.x_low, self.x_high, self.y_low, self.y_high = x_low, x_high, y_low, y_high

    def x(self, value: float) -> float:
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        inside = min(self.y_high, max(self.y_low, value))
        return HEIGHT - BOTTOM - (inside - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)

    def grid(self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> str:
        parts = []
        for value, told in y_ticks:
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{escape(told)}</text>')
        for value, told in x_ticks:
            place = f'text-anchor="middle" x="{self.x(value):.1f}" y="{HEIGHT - 12}"'
            parts.append(f'<text class="tick" {place}>{escape(told)}</text>')
        return "".join(parts)

    def curve(self, curve: Curve) -> str:
        points = [(self.x(x), self.y(y)) for x, y in curve.points]
        path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
        for (_, before), (x, y) in pairwise(points):
            path += f"L{x:.1f},{before:.1f}L{x:.1f},{y:.1f}" if curve.steps else f"L{x:.1f},{y:.1f}"
        kind = f"{curve.role} dashed" if curve.dashed else curve.role
        drawn = f'<path class="line {kind}" d="{path}"><title>{escape(curve.name)}</title></path>'
        if len(points) == 1:
            drawn += f'<circle class="dot {curve.role}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3.5"/>'
        if not curve.filled:
            return drawn
        ground = self.y(self.y_low)
        area = f"{path}L{points[-1][0]:.1f},{ground:.1f}L{points[0][0]:.1f},{ground:.1f}Z"
        return f'<path class="area {curve.role}" d="{area}"/>{drawn}'

    def markers(self, markers: Sequence[Marker]) -> str:
        """All lines first: no line then crosses a name."""
        lines, names = "", ""
        for row, marker in enumerate(sorted(markers, key=lambda each: each.at)):
            x, role = self.x(marker.at), marker.role
            side, shift = ("end", -5) if x > WIDTH * 0.72 else ("start", 5)
            lines += f'<line class="mark {role}" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{HEIGHT - BOTTOM}"/>'
            place = f'x="{x + shift:.1f}" y="{12 + GAP * row:.1f}"'
            names += f'<text class="note {role}" text-anchor="{side}" {place}>{escape(marker.name)}</text>'
        return lines + names

    def level(self, level: Marker) -> str:
        y = self.y(level.at)
        return (
            f'<line class="mark {level.role}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="note {level.role}" x="{LEFT + 6}" y="{y - 5:.1f}">{escape(level.name)}</text>'
        )


def _figure(title: str, subtitle: str, curves: Sequence[Curve], parts: Sequence[str]) -> str:
    legend = "".join(f'<span class="key {curve.role}">{escape(curve.name)}</span>' for curve in curves)
    drawn = f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return (
        f'<figure><figcaption><b>{escape(title)}</b> <span class="muted">{escape(subtitle)}</span>'
        f'<span class="legend">{legend}</span></figcaption>'
        f"{drawn}</figure>"
    )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round values, 1, 2 or 5 times a power of ten apart (of times: also 15 and 30 s, and minutes)."""
    raw = max(1e-12, (high - low) / most)
    if low > 1e8:  # POSIX seconds
        step = next((each for each in _TIME_STEPS if each >= raw), 86400.0 * math.ceil(raw / 86400))
    else:
        power = 10 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 9) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _nice_above(value: float) -> float:
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * factor >= value)


def _decades(low: float, high: float) -> list[float]:
    factors = (1, 2, 5) if high - low < 3 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [
        10.0**power * factor
        for power in powers
        for factor in factors
        if low <= math.log10(10.0**power * factor) <= high
    ]


_TIME_STEPS = (
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    21600.0,
    43200.0,
)
