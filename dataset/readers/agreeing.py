"""Owns what several annotators say together: the label that most of them give, and how many agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dataset.readers.values import Box, Span

__all__ = ["SAME_PIECE", "Statement", "agreed", "overlap"]

SAME_PIECE = 0.5
"""Two annotators mean the same piece from this intersection over union on, as is usual for detections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one person said about a piece, or about all of a file (None). ``people``: how many agree on it."""

    who: str
    labels: tuple[str, ...]
    piece: Span | Box | None = None
    people: int = 1


def agreed(statements: Sequence[Statement]) -> Iterator[Statement | str]:
    """One statement for each piece, with the labels that most people gave; or why there is none.

    The first who marked it with these labels says where it begins and ends.
    """
    for same in _clusters(statements):
        votes = Counter(frozenset(each.labels) for each in same)
        (labels, most), *rest = votes.most_common()
        if rest and rest[0][1] == most:
            said = " and ".join(sorted(", ".join(sorted(each)) for each in votes))
            yield f"the annotators do not agree ({said}, {most} each)"
        else:
            yield replace(next(each for each in same if frozenset(each.labels) == labels), people=most)


def overlap(one: Span | Box | None, other: Span | Box | None) -> float:
    """Intersection over union of two pieces, 0 to 1; of two whole files 1, of a whole file and a piece 0."""
    if one is None and other is None:
        return 1.0
    if isinstance(one, Span) and isinstance(other, Span):
        shared = max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
        return shared / (one.end_s - one.start_s + other.end_s - other.start_s - shared)
    if isinstance(one, Box) and isinstance(other, Box):
        wide = max(0.0, min(one.x1, other.x1) - max(one.x0, other.x0))
        high = max(0.0, min(one.y1, other.y1) - max(one.y0, other.y0))
        return wide * high / (_area(one) + _area(other) - wide * high)
    return 0.0


def _clusters(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Statements of different people about one piece. What one person marked twice stays two."""
    found: list[list[Statement]] = []
    for each in statements:
        fits = [
            (overlap(each.piece, same[0].piece), -place, same)
            for place, same in enumerate(found)
            if each.who not in {other.who for other in same} and overlap(each.piece, same[0].piece) >= SAME_PIECE
        ]
        if fits:
            max(fits, key=lambda fit: fit[:2])[2].append(each)
        else:
            found.append([each])
    return found


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
