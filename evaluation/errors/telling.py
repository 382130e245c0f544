"""Owns how an analysis of mistakes is told to people, in lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.telling import caveat_lines

if TYPE_CHECKING:
    from evaluation.errors.analysis import ErrorAnalysis
    from evaluation.errors.label_errors import LabelErrors
    from evaluation.errors.slices import Slice, SliceSearch

__all__ = ["error_lines", "labels_told", "search_told"]

_SHOWN = 5


def error_lines(analysis: ErrorAnalysis) -> list[str]:
    """The findings, a few of each kind; the page and the JSON hold the rest."""
    share = analysis.errors / analysis.n
    lines = [f"{analysis.errors} mistakes in {analysis.n} samples of {analysis.group_count} groups ({share:.1%})"]
    lines += caveat_lines(analysis.caveats)
    lines += ["", "Bad parts: " + search_told(analysis.slices)]
    lines += [f"  {_slice(part)}" for part in analysis.slices.found[:_SHOWN]]
    if analysis.confusions.frequent:
        lines += ["", "Confusions, most frequent first"]
    lopsided = {(each.truth, each.label) for each in analysis.confusions.lopsided}
    for pair in analysis.confusions.frequent[:_SHOWN]:
        mark = ", one way only" if (pair.truth, pair.label) in lopsided else ""
        lines.append(
            f"  {_plain(pair.truth)} taken for {_plain(pair.label)}: {pair.count} ({pair.share:.0%} of the class; "
            f"{pair.reverse} the other way{mark})"
        )
    lines += ["", "Labels: " + labels_told(analysis.label_errors)]
    for each in analysis.label_errors.suspects[:_SHOWN]:
        lines.append(
            f"  {_name(each.source, each.sample_id)}: {_plain(each.truth)} is probably {_plain(each.suggested)}"
        )
    if analysis.review:
        lines += ["", f"To review, most useful first ({len(analysis.review)})"]
    for item in analysis.review[:_SHOWN]:
        lines.append(f"  {item.priority:.2f}  {_name(item.source, item.sample_id)}: {_plain(item.why)}")
    return lines


def search_told(search: SliceSearch) -> str:
    """What the search found, in a sentence."""
    if search.why_not:
        return f"not searched, as {search.why_not}"
    rule = f"{search.searched} parts searched by {', '.join(search.facts)}"
    if search.found:
        return f"{len(search.found)} beyond chance, of {rule}"
    nearest = search.nearest
    close = f"; the nearest is {_slice(nearest)}" if nearest else ""
    return f"none is worse than chance allows, of {rule}{_plain(close)}"


def labels_told(labels: LabelErrors) -> str:
    """How many labels are suspected and how many could not be judged, in a sentence."""
    left_out = []
    if labels.trained_on:
        left_out.append(f"{labels.trained_on} not judged, as the model was trained on them or on their groups")
    if labels.unknown:
        left_out.append(f"{labels.unknown} not judged, as the model does not know their class")
    head = (
        f"not judged, as {labels.why_not}" if labels.why_not else f"{len(labels.suspects)} of {labels.judged} suspected"
    )
    return "; ".join([head, *left_out])


def _slice(part: Slice) -> str:
    return (
        f"{_plain(part.name)}: {part.errors} of {part.n} wrong ({part.error_rate:.0%}; to be expected "
        f"{part.shrunk_rate:.0%}), p = {part.p_value:.3g}"
    )


def _name(source: str, sample_id: str) -> str:
    return _plain(source) or sample_id[:12]


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor or break the line."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
