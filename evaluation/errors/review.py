"""Owns the list of samples that a person should look at, most useful first: what annotation takes.

The names are those of an incident's review list: ``truth`` is the label that a sample carries, ``label`` what the model
answered, ``why`` a sentence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from evaluation.errors.confusions import Confusions
    from evaluation.errors.label_errors import LabelErrors
    from evaluation.errors.mistakes import Mistake
    from evaluation.errors.slices import SliceSearch

__all__ = ["KINDS", "ReviewItem", "review_csv", "review_list"]

KINDS = ("label error", "confident mistake", "worst slice", "confusion")
_AGAIN = 0.8
"""What each further sample of one group is worth: copies of one recording tell a person the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One sample to look at.

    Attributes:
        truth: the label that it carries. label: what the model answered.
        suggested: what it probably is; empty where the label is not doubted.
        kinds: of ``KINDS``, in that order. why: the same in a sentence.
        priority: 0 to 1.
    """

    sample_id: str
    source: str
    truth: str
    label: str
    suggested: str
    kinds: tuple[str, ...]
    why: str
    priority: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"kinds": list(self.kinds)}


@dataclass(slots=True)
class _Case:
    mistake: Mistake
    suggested: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    left: float = 1.0
    """The product of what each reason leaves open."""

    def add(self, kind: str, weight: float, why: str) -> None:
        if kind not in self.reasons:
            self.reasons[kind] = why
            self.left *= 1 - weight


def review_list(
    mistakes: Sequence[Mistake],
    *,
    label_errors: LabelErrors,
    slices: SliceSearch,
    confusions: Confusions,
    most: int,
) -> tuple[ReviewItem, ...]:
    """Each sample once, with all that speaks for looking at it; never more than ``most``.

    Only mistakes are listed: to a person, a right answer with a right label tells nothing. A suspected label weighs
    0.5 to 0.95, the less the label fits; a confident mistake 0.8 of its confidence from 0.5 on; a bad slice 0.4, a
    frequent or lopsided confusion 0.3. The priority is 1 less the product of what each leaves open.

    Raises: InvalidInput: ``most`` is negative.
    """
    if most < 0:
        raise InvalidInput(f"a review list cannot hold {most} samples", hint="Ask for 0 or more.")
    cases = {each.sample_id: _Case(each) for each in mistakes}
    for suspect in label_errors.suspects:
        case = cases[suspect.sample_id]
        case.suggested = suspect.suggested
        case.add(KINDS[0], 0.95 - 0.45 * suspect.quality, f"the label {suspect.truth} is probably {suspect.suggested}")
    for each in mistakes:
        if each.confidence >= 0.5:
            told = f"{each.truth} was taken for {each.label} with confidence {each.confidence:.2f}"
            cases[each.sample_id].add(KINDS[1], 0.8 * each.confidence, told)
    for part in slices.found:
        for sample_id in part.wrong:
            cases[sample_id].add(KINDS[2], 0.4, f"{part.name} has {part.error_rate:.0%} mistakes")
    for pair in (*confusions.lopsided, *confusions.frequent):
        if pair.count > 1:
            for sample_id in pair.sample_ids:
                told = f"{pair.truth} is taken for {pair.label} in {pair.count} samples"
                cases[sample_id].add(KINDS[3], 0.3, told)
    return tuple(_ranked([case for case in cases.values() if case.reasons])[:most])


def review_csv(items: Iterable[ReviewItem]) -> str:
    """A table with a heading, kinds joined by ``; ``. Texts that a spreadsheet would compute are marked as text."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["sample_id", "source", "truth", "label", "suggested", "kinds", "why", "priority"])
    for each in items:
        texts = (each.sample_id, each.source, each.truth, each.label, each.suggested, "; ".join(each.kinds), each.why)
        writer.writerow([*map(_as_text, texts), f"{each.priority:.4f}"])
    return table.getvalue()


def _ranked(cases: Sequence[_Case]) -> list[ReviewItem]:
    seen: dict[str, int] = {}
    made = []
    for case in sorted(cases, key=lambda case: (case.left, case.mistake.sample_id)):
        mistake, turn = case.mistake, seen.get(case.mistake.group, 0)
        seen[mistake.group] = turn + 1
        kinds = tuple(kind for kind in KINDS if kind in case.reasons)
        made.append(
            ReviewItem(
                sample_id=mistake.sample_id,
                source=mistake.source,
                truth=mistake.truth,
                label=mistake.label,
                suggested=case.suggested,
                kinds=kinds,
                why="; ".join(case.reasons[kind] for kind in kinds),
                priority=round((1 - case.left) * _AGAIN**turn, 6),
            )
        )
    return sorted(made, key=lambda item: (-item.priority, item.sample_id))


def _as_text(value: str) -> str:
    """Source: OWASP, CSV injection."""
    return "'" + value if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
