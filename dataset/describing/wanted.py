"""Owns what to collect next: of which classes, stations, hours and months the test part has too few groups.

A figure of a class, such as its recall, is a share of that class's test groups. Its 95% interval is narrower than
+-10 points from some number of groups on; the difference to what is there is what to collect, enlarged because new
groups go to all parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from dataset.describing.tallies import Row
from ecosight.errors import InvalidInput

__all__ = ["MARGIN", "Wanted", "groups_needed", "half_width", "what_to_collect"]

MARGIN = 0.1
_Z = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Something of which too little is there.

    Attributes:
        kind: ``class``, ``station``, ``hour`` or ``month``. value: which one.
        test_groups: groups in the test part. needed: groups there for an interval within the margin.
        margin: half the width of the interval that the test part gives now; None where it has no group at all.
        groups: new groups to collect. samples: in about so many samples, at as many a group as today.
        reason: the same in one sentence.
    """

    kind: str
    value: str
    test_groups: int
    needed: int
    margin: float | None
    groups: int
    samples: int
    reason: str


def half_width(groups: int, accuracy: float) -> float:
    """Half the width of Wilson's 95% interval for a share that is seen as ``accuracy`` in ``groups`` groups.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    spread = accuracy * (1 - accuracy) / groups + _Z**2 / (4 * groups**2)
    return _Z * math.sqrt(spread) / (1 + _Z**2 / groups)


@cache
def groups_needed(accuracy: float = 0.5, margin: float = MARGIN) -> int:
    """The fewest groups whose interval is narrower than +-margin. An accuracy of 0.5 is the worst case.

    Raises: InvalidInput: the accuracy is not within 0 to 1, or the margin not within 0 to 0.5.
    """
    if not 0 <= accuracy <= 1 or not 0 < margin < 0.5:
        raise InvalidInput(
            f"an accuracy of {accuracy:g} and a margin of {margin:g} cannot be planned for",
            hint="The accuracy is between 0 and 1 (0.5 is the worst case), the margin between 0 and 0.5.",
        )
    low, high = 0, 1
    while half_width(high, accuracy) >= margin:
        low, high = high, 2 * high
    while high - low > 1:  # the width falls as groups are added
        middle = (low + high) // 2
        low, high = (middle, high) if half_width(middle, accuracy) >= margin else (low, middle)
    return high


def what_to_collect(
    tallies: Mapping[str, Sequence[Row]],
    *,
    test_share: float,
    accuracy: float = 0.5,
    margin: float = MARGIN,
) -> tuple[Wanted, ...]:
    """What lacks test groups, the widest interval first; of equally wide ones classes first, then what is rarest.

    Only values that occur are known: an hour in which nothing was ever recorded is not listed.

    Args:
        tallies: kind -> its rows. test_share: of new groups, the share that goes to the test part, above 0.
        accuracy: the share of right answers that is expected of the model; 0.5 holds whatever it is.
    Raises: InvalidInput: as ``groups_needed``.
    """
    needed = groups_needed(accuracy, margin)
    order = {kind: place for place, kind in enumerate(tallies)}
    found = [
        _wanted(kind, row, needed, test_share, accuracy)
        for kind, rows in tallies.items()
        for row in rows
        if row.part_groups["test"] < needed
    ]
    return tuple(
        sorted(found, key=lambda each: (-(each.margin or 1.0), order[each.kind], -each.groups, each.value)),
    )


def _wanted(kind: str, row: Row, needed: int, test_share: float, accuracy: float) -> Wanted:
    there = row.part_groups["test"]
    # The test part gets its share of all groups, and never more than all the new ones.
    groups = max(needed - there, math.ceil(round(needed / test_share, 9)) - row.groups)
    samples = math.ceil(groups * row.samples / row.groups)
    margin = half_width(there, accuracy) if there else None
    now = f"its interval is ±{100 * margin:.0f} points" if margin is not None else "nothing can be said about it"
    return Wanted(
        kind=kind,
        value=row.value,
        test_groups=there,
        needed=needed,
        margin=margin,
        groups=groups,
        samples=samples,
        reason=f"{there} of {needed} test groups: {now}",
    )
