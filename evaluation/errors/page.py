"""Owns the page of an analysis: one HTML file that needs no network, on which the samples can be heard or seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from evaluation.errors.media import ReadMedia, embed
from evaluation.errors.telling import labels_told, search_told

if TYPE_CHECKING:
    from evaluation.errors.analysis import ErrorAnalysis
    from evaluation.errors.confusions import Confusion
    from evaluation.errors.slices import Slice

__all__ = ["error_page"]

_ROWS = 25
_BAR_PX = 120


def error_page(
    analysis: ErrorAnalysis,
    read: ReadMedia | None = None,
    *,
    most_bytes: int = 12_000_000,
    each_bytes: int = 1_500_000,
) -> str:
    """The page: the samples of confusions first, then those to review, until it is full.

    Labels, file names and facts are data, never markup: all are escaped.

    Args:
        read: gives a sample's bytes; None leaves the samples out.
        most_bytes, each_bytes: of the raw files that are put on the page, all together and each.
    """
    shown = {} if read is None else embed(_wanted(analysis), read, most_bytes=most_bytes, each_bytes=each_bytes)
    room = files("evaluation")
    text = {
        "about": escape(_about(analysis)),
        "caveats": "".join(f'<p class="caveat">{escape(caveat)}</p>' for caveat in analysis.caveats),
        "main": "\n".join([_slices(analysis), _confusions(analysis), _labels(analysis), _review(analysis)]),
        "media": json.dumps(shown).replace("<", "\\u003c"),
        "css": (room / "page" / "page.css").read_text("utf-8"),
    }
    first, *rest = (room / "errors" / "page.html").read_text("utf-8").split("{{")
    # One pass over the template, so that nothing inside a text is ever taken for a place to fill.
    return first + "".join(text[name] + after for name, after in (piece.split("}}", 1) for piece in rest))


def _wanted(analysis: ErrorAnalysis) -> Iterator[str]:
    for pair in (*analysis.confusions.lopsided, *analysis.confusions.frequent):
        yield from pair.examples
    yield from (each.sample_id for each in analysis.label_errors.suspects[:_ROWS])
    yield from (each.sample_id for each in analysis.review[:_ROWS])


def _about(analysis: ErrorAnalysis) -> str:
    return (
        f"{analysis.model or analysis.model_digest[:12]}: {analysis.errors} mistakes in {analysis.n} samples of "
        f"{analysis.group_count} groups ({analysis.errors / analysis.n:.1%})"
    )


def _slices(analysis: ErrorAnalysis) -> str:
    search = analysis.slices
    told = search_told(search)
    if not search.why_not:
        told += f". Where no part is bad, such a search still names one in {search.alpha:.0%} of cases or less."
    rows = [
        [
            escape(_named(part)),
            _bar(part.error_rate),
            f"{part.errors} of {part.n}",
            f"{part.error_rate:.0%}",
            f"{part.shrunk_rate:.0%}",
            f"{part.excess:+.1f}",
            str(part.group_count),
            f"{part.p_value:.3g}",
        ]
        for part in search.found
    ]
    heads = ["part", "mistakes", "", "share", "to be expected", "beyond the overall share", "groups", "p"]
    return _section("Bad parts", told, _table(heads, rows))


def _confusions(analysis: ErrorAnalysis) -> str:
    names = {each.sample_id: each.source for each in analysis.mistakes}
    names |= {each.sample_id: each.source for each in analysis.review}
    lopsided = analysis.confusions.lopsided
    parts = []
    if lopsided:
        parts.append("<h3>One way only</h3>" + "".join(_pair(pair, names) for pair in lopsided))
    rest = [pair for pair in analysis.confusions.frequent if pair not in lopsided]
    if rest:
        parts.append("<h3>Most frequent</h3>" + "".join(_pair(pair, names) for pair in rest))
    return _section("Confusions", "with the mistakes that the model was most sure of", "".join(parts))


def _pair(pair: Confusion, names: dict[str, str]) -> str:
    counted = (
        "1 sample"
        if pair.count == 1
        else f"{pair.count} samples of {pair.group_count} group{'s' * (pair.group_count > 1)}"
    )
    told = f"{counted}, {pair.share:.0%} of the class"
    told += f"; {pair.reverse} the other way"
    if pair.p_value < 1:
        told += f" (p = {pair.p_value:.3g})"
    shown = "".join(
        f"<figure>{_sample(each)}<figcaption>{escape(names.get(each) or each[:12])}</figcaption></figure>"
        for each in pair.examples
    )
    head = f"<b>{escape(pair.truth)}</b> taken for <b>{escape(pair.label)}</b>: {told}"
    return f'<div class="pair"><p>{head}</p><div class="shown">{shown}</div></div>'


def _labels(analysis: ErrorAnalysis) -> str:
    labels = analysis.label_errors
    rows = [
        [
            _sample(each.sample_id),
            escape(each.source or each.sample_id[:12]),
            escape(each.truth),
            escape(each.suggested),
            f"{each.quality:.3f}",
            f"{each.confidence:.3f}",
        ]
        for each in labels.suspects[:_ROWS]
    ]
    heads = ["sample", "file", "label", "probably", "probability of the label", "of the suggestion"]
    return _section("Suspected labels", labels_told(labels), _table(heads, rows))


def _review(analysis: ErrorAnalysis) -> str:
    told = f"{len(analysis.review)} samples, most useful first"
    if len(analysis.review) > _ROWS:
        told += f"; the first {_ROWS} here, all of them in review.csv"
    rows = [
        [
            f"{item.priority:.2f}",
            _sample(item.sample_id),
            escape(item.source or item.sample_id[:12]),
            escape(item.truth),
            escape(item.label),
            escape(item.why),
        ]
        for item in analysis.review[:_ROWS]
    ]
    heads = ["priority", "sample", "file", "label", "answer", "why"]
    return _section("To review", told, _table(heads, rows, wrapped=5))


def _section(title: str, told: str, body: str) -> str:
    return f'<section><h2>{title}</h2><p class="told">{escape(told)}</p>{body}</section>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, wrapped: int = -1) -> str:
    """Cells are markup already. Empty without rows."""
    lines = [
        "<tr>"
        + "".join(f'<td class="{"why" if k == wrapped else ""}">{cell}</td>' for k, cell in enumerate(row))
        + "</tr>"
        for row in rows
    ]
    if not lines:
        return ""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _named(part: Slice) -> str:
    return part.name + (f" (the same as {'; '.join(part.other_names)})" if part.also else "")


def _bar(share: float) -> str:
    bad = round(_BAR_PX * share)
    return f'<span class="bad" style="width:{bad}px"></span><span class="rest" style="width:{_BAR_PX - bad}px"></span>'


def _sample(sample_id: str) -> str:
    return f'<div data-sample="{escape(sample_id)}"></div>'
