"""Owns the rules that no version may break in silence: what belongs together is on one side.

A broken rule stops the commit, unless an override names it and gives a reason. The override is written into the
manifest, and every later version tells of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataset.storing.manifests import UNSEARCHED, Override
from ecosight.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from ecosight.ports import BlobStore

__all__ = ["RULES", "Violation", "allowed", "checked_overrides", "newly_broken"]

RULES = {
    "group": "one recording, burst or site is on two sides",
    "near-duplicates": "near-duplicates are on two sides",
    "station": "one station is on two sides of a split by station",
    "time": "samples are on the wrong side of a cut in time",
    UNSEARCHED: "near-duplicates were not looked for",
}
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Violation:
    """One thing that is on two sides: a group's name, or two sample ids with a space between them.

    Attributes:
        count: what it stands for, where it is more than one.
        reason: of whoever decided it elsewhere, such as in the configuration; then no override needs to be given.
        shown: what people know it by, such as the names of the files; empty: by ``what``.
    """

    rule: str
    what: str
    count: int = 1
    reason: str = ""
    shown: str = field(default="", compare=False)


def checked_overrides(overrides: Mapping[str, str] | None) -> dict[str, str]:
    """Rule -> reason. Raises: InvalidInput: there is no such rule, or no reason is given."""
    for name, reason in (overrides or {}).items():
        if name not in RULES:
            raise InvalidInput(f"there is no rule {name!r} to override", hint=f"Rules are {', '.join(RULES)}.")
        if not reason.strip():
            raise InvalidInput(f"the override of {name!r} gives no reason", hint=f"Such as {name}='same night'.")
    return dict(overrides or {})


def allowed(
    violations: Iterable[Violation],
    *,
    before: Sequence[Override],
    given: Mapping[str, str],
    number: int,
    made_at: str,
    blobs: BlobStore,
) -> tuple[Override, ...]:
    """The overrides of a version that has these violations.

    Args:
        before: overrides of the versions before; what they cover needs none again.
        given: rule -> reason, for this version.
    Raises: Refused: something is on two sides, and no override names the rule. Nothing was stored then.
    """
    broken = newly_broken(violations, before=before, given=given, blobs=blobs)
    reasons = _reasons(broken, given)
    made = []
    for rule in sorted({each.rule for each in broken}):
        of_rule = [each for each in broken if each.rule == rule]
        what = [each.what for each in of_rule]
        made.append(
            Override(
                name=rule,
                reason=reasons[rule],
                version=number,
                made_at=made_at,
                count=sum(each.count for each in of_rule),
                examples=what[:_SHOWN],
                covers=blobs.put(json.dumps(what).encode()),
            )
        )
    return (*before, *made)


def newly_broken(
    violations: Iterable[Violation], *, before: Sequence[Override], given: Mapping[str, str], blobs: BlobStore
) -> list[Violation]:
    """The violations that no override covers yet, in order; each has a reason. Writes nothing.

    Args: as ``allowed``.
    Raises: Refused: one has no reason.
    """
    broken = sorted(set(violations))
    if broken:
        known = {(each.name, what) for each in before for what in json.loads(blobs.get(each.covers))}
        broken = [each for each in broken if (each.rule, each.what) not in known]
    reasons = _reasons(broken, given)
    refused = [each for each in broken if each.rule not in reasons]
    if refused:
        rule = refused[0].rule
        examples = [each.what for each in refused if each.rule == rule]
        shown = [each.shown or each.what for each in refused if each.rule == rule]
        raise Refused(
            f"{RULES[rule]}: {'; '.join(shown[:3])}" + (f" and {len(examples) - 3} more" if examples[3:] else ""),
            hint=f"Let them be on one side, or give a reason: --override {rule}='…' (it stays visible for good).",
            rule=rule,
            count=len(examples),
            examples=examples[:_SHOWN],
        )
    return broken


def _reasons(broken: Iterable[Violation], given: Mapping[str, str]) -> dict[str, str]:
    """Rule -> why it may be broken."""
    return {each.rule: each.reason for each in broken if each.reason} | dict(given)
