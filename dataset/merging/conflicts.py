"""Owns labels that two lines of a dataset changed differently: how they are shown, and by what they are decided."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dataset.labels import check_label
from ecosight.errors import InvalidInput, NotFound

__all__ = [
    "REMOVED",
    "RULES",
    "LabelConflict",
    "check_rules",
    "decide",
    "deciding_rules",
    "read_decisions",
    "write_conflicts",
]

REMOVED = "-"
"""Stands for "the sample is not there" where a label is expected; so ``check_label`` takes it for none."""

_COLUMNS = ("sample_id", "source", "base", "ours", "theirs", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConflict:
    """One sample, and what became of its label on both lines since they parted.

    Attributes:
        base, ours, theirs: labels; None where the sample is not there (not yet, or not any more).
        ours_at, theirs_at: when each was set. ours_annotators, theirs_annotators: how many people agreed on it.
    """

    sample_id: str
    source: str
    base: str | None
    ours: str | None
    theirs: str | None
    ours_at: datetime | None = None
    theirs_at: datetime | None = None
    ours_annotators: int = 1
    theirs_annotators: int = 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _newest(conflict: LabelConflict) -> str | None:
    if conflict.ours_at is None or conflict.theirs_at is None or conflict.ours_at == conflict.theirs_at:
        return None
    return "ours" if conflict.ours_at > conflict.theirs_at else "theirs"


def _most_annotators(conflict: LabelConflict) -> str | None:
    if conflict.ours is None or conflict.theirs is None or conflict.ours_annotators == conflict.theirs_annotators:
        return None
    return "ours" if conflict.ours_annotators > conflict.theirs_annotators else "theirs"


def _kept(conflict: LabelConflict) -> str | None:
    if (conflict.ours is None) == (conflict.theirs is None):
        return None
    return "theirs" if conflict.ours is None else "ours"


RULES: Mapping[str, Callable[[LabelConflict], str | None]] = {
    "ours": lambda _: "ours",
    "theirs": lambda _: "theirs",
    "newest": _newest,
    "most-annotators": _most_annotators,
    "keep": _kept,
}
"""Rule -> ``ours``, ``theirs``, or None where it cannot say: a tie is left to the next rule, or to a person."""


def check_rules(rules: Sequence[str]) -> None:
    """Raises: InvalidInput: there is no such rule."""
    for rule in rules:
        if rule not in RULES:
            raise InvalidInput(f"there is no rule {rule!r} for conflicts", hint=f"Rules are {', '.join(RULES)}.")


def decide(conflict: LabelConflict, rules: Sequence[str]) -> str | None:
    """The first rule that can say decides. Raises: InvalidInput: there is no such rule."""
    check_rules(rules)
    for rule in rules:
        if (side := RULES[rule](conflict)) is not None:
            return side
    return None


def deciding_rules(conflicts: Sequence[LabelConflict]) -> list[str]:
    """The rules that would decide all of these, those that look at the labels before those that take a side."""
    judging = sorted(RULES, key=lambda rule: rule in ("ours", "theirs"))
    return [rule for rule in judging if all(RULES[rule](each) is not None for each in conflicts)]


def write_conflicts(conflicts: Sequence[LabelConflict], path: Path) -> None:
    """A CSV to be filled in: one line for each conflict, its column ``label`` empty.

    Raises: InvalidInput: it cannot be written there.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for each in conflicts:
        labels = [label or REMOVED for label in (each.base, each.ours, each.theirs)]
        writer.writerow([each.sample_id, each.source, *labels, ""])
    try:
        path.write_text(text.getvalue(), "utf-8", newline="")
    except OSError as error:
        raise InvalidInput(
            f"the conflicts cannot be written to {path}: {error.strerror or error}",
            hint="Name a file in a folder you may write to.",
        ) from error


def read_decisions(path: Path) -> dict[str, str]:
    """Sample id -> label, or ``-`` to take the sample out; lines without a label are passed over.

    Raises: NotFound: no such file. InvalidInput: no such columns, or a bad label; all are told together.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise NotFound(
            f"the file {path} cannot be read: {error.strerror}", hint="`merge --conflicts FILE` writes one."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8 text", hint="Save the CSV as UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text), restkey="", restval="", strict=True)
    found: dict[str, str] = {}
    faults = []
    try:
        if not {"sample_id", "label"} <= set(reader.fieldnames or []):
            raise InvalidInput(
                f"{path.name} has no columns sample_id and label", hint="`merge --conflicts FILE` writes one."
            )
        if twice := [name for name in ("sample_id", "label") if list(reader.fieldnames or []).count(name) > 1]:
            raise InvalidInput(f"{path.name} has several columns {twice[0]!r}", hint="Which one counts?")
        for row in reader:
            sample_id, label = row["sample_id"].strip().lower(), row["label"].strip()
            try:
                if "".join(row.get("", ())):
                    raise InvalidInput("more fields than columns (a comma without quotes?)")
                if label and found.setdefault(sample_id, decision := _decision(label)) != decision:
                    raise InvalidInput(f"the sample {sample_id[:12]} is decided otherwise above")
            except InvalidInput as error:
                faults.append(f"line {reader.line_num}: {error.message}")
    except csv.Error as error:
        faults.append(f"line {reader.reader.line_num}: {error}")
    if faults:
        raise InvalidInput(f"{path.name}: {'; '.join(faults[:10])}", hint="Mend the lines and run it again.")
    return found


def _decision(label: str) -> str:
    return label if label == REMOVED else check_label(label)
