"""Owns putting samples where their publisher says: folds become the parts train, val and test.

The part is asked for with the commit, as ``dataset add --labels`` asks for one with its column ``part``. So the rules
of every commit hold: a group gets one part, keeps it in all later versions, and what is on two sides stops the commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from dataset.readers.values import Found
from ecosight.errors import InvalidInput, Refused

__all__ = ["with_parts"]

GroupOf = Callable[[str], str | None]


def with_parts(
    found: Sequence[Found], *, test: Collection[str], val: Collection[str], group_of: GroupOf | None = None
) -> tuple[Found, ...]:
    """The samples with the parts that these folds mean; all other folds are train. None named: as they are.

    Args:
        group_of: the group that a file's name tells, where the source does not.
    Raises: InvalidInput: the source has no such folds. Refused: a group would be on two sides.
    """
    if not test and not val:
        return tuple(found)
    _check_named(found, set(test), set(val))
    parts = dict.fromkeys(val, "val") | dict.fromkeys(test, "test")
    placed = tuple(replace(each, part=parts.get(str(each.fold), "train")) for each in found)
    _check_groups(placed, group_of or (lambda _: None))
    return placed


def _check_named(found: Sequence[Found], test: set[str], val: set[str]) -> None:
    if not test or not val:
        raise InvalidInput(
            "both --test-fold and --val-fold are needed",
            hint="Without one of them, its part would be drawn from the other folds.",
        )
    if both := sorted(test & val):
        raise InvalidInput(f"fold {both[0]!r} cannot be test and val", hint="Name each fold once.")
    if without := sum(each.fold is None for each in found):
        raise InvalidInput(
            f"{without} of {len(found)} samples have no fold", hint="Leave out --test-fold and --val-fold."
        )
    folds = sorted({str(each.fold) for each in found}, key=lambda fold: (len(fold), fold))
    if unknown := sorted((test | val) - set(folds)):
        raise InvalidInput(f"there is no fold {unknown[0]!r}", hint=f"The folds are {', '.join(folds)}.")
    if not set(folds) - test - val:
        raise InvalidInput("no fold is left for train", hint=f"The folds are {', '.join(folds)}.")


def _check_groups(found: Sequence[Found], group_of: GroupOf) -> None:
    """Only groups whose folds mean different parts matter: over folds of one part, a recording may be spread."""
    folds: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in found:
        group = each.group or group_of(each.path.name) or str(each.path)
        folds[group][str(each.part)].add(str(each.fold))
    torn = sorted(group for group, parts in folds.items() if len(parts) > 1)
    if torn:
        where = "; ".join(
            f"{group} in " + " and ".join(f"fold {min(names)} ({part})" for part, names in sorted(folds[group].items()))
            for group in torn[:3]
        )
        more = f" and {len(torn) - 3} more" if torn[3:] else ""
        raise Refused(
            f"{len(torn)} groups are in folds of different parts: {where}{more}",
            hint="A model would be tested on what it learned. Choose folds of one part, or leave the folds out.",
            groups=torn[:10],
        )
