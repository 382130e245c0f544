"""Owns the page of a version's statistics: HTML with everything in it, for any screen, in light and dark."""

from __future__ import annotations

from dataset.describing.figures import clock_chart, spread_chart, title_of, told_number
from dataset.describing.sources import SOURCES
from dataset.describing.summary import Statistics

__all__ = ["statistics_page"]

_SHOWN = 40
_HOURS = tuple(f"{hour:02d}" for hour in range(24))
_MONTHS = tuple(f"{month:02d}" for month in range(1, 13))


def statistics_page(statistics: Statistics) -> str:
    """The page. A pure function; labels, stations and messages are shown as text, whatever they hold."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("dataset.describing", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"many": "{:,}".format, "percent": _percent, "told": told_number}
    charts = [spread_chart(name, spread) for name, spread in statistics.spreads.items() if spread.least < spread.most]
    clocks = [
        clock_chart(title, rows, values, every)
        for title, name, values, every in (
            ("hour of the day, UTC", "hour", _HOURS, 3),
            ("month", "month", _MONTHS, 1),
        )
        if (rows := statistics.tallies[name])
    ]
    same = {
        title_of(name): told_number(name, spread.least)
        for name, spread in statistics.spreads.items()
        if spread.least == spread.most
    }
    return environment.get_template("page.html").render(
        told=statistics,
        classes=sorted(statistics.tallies["class"], key=lambda row: (-row.samples, row.value)),
        stations=sorted(statistics.tallies["station"], key=lambda row: (-row.samples, row.value)),
        sources=SOURCES,
        charts=charts,
        clocks=clocks,
        same=same,
        shown=_SHOWN,
    )


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return f"{100 * share:.1f}%" if 0 < share < 0.1 else f"{100 * share:.0f}%"
