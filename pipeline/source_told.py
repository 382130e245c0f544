"""What `ingest` and `dataset add` share: how a source is read, and what a look at it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dataset.intake import Intake
    from dataset.readers import Survey

__all__ = ["Boxes", "Classes", "Format", "LabelColumn", "TestFolds", "ValFolds", "look", "look_lines", "read_source"]

Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help="The source's layout, where it is not recognised by itself.")
]
Boxes = Annotated[
    str, typer.Option(help="crop: a sample for each box; whole: each picture whose boxes are of one class.")
]
Classes = Annotated[list[str], typer.Option("--class", metavar="NAME", help="Only this class; may be repeated.")]
LabelColumn = Annotated[str, typer.Option(metavar="NAME", help="The column of a selection table with the label.")]
TestFolds = Annotated[
    list[str], typer.Option("--test-fold", metavar="FOLD", help="The publisher's fold that is test; may be repeated.")
]
ValFolds = Annotated[
    list[str], typer.Option("--val-fold", metavar="FOLD", help="The one that is val; all others are train.")
]

_SHOWN = 10


def read_source(
    source: Path,
    intake: Intake,
    *,
    format: str,
    boxes: str,
    classes: Sequence[str],
    label_column: str,
    test_folds: Sequence[str],
    val_folds: Sequence[str],
) -> Survey:
    """The samples of a source, with the parts that its folds mean. Raises: as ``survey`` and ``with_parts``."""
    from dataset.readers.folds import with_parts
    from dataset.reading import survey

    seen = survey(
        source, intake.modality.extensions, format=format, boxes=boxes, classes=classes, label_column=label_column
    )
    found = with_parts(seen.found, test=test_folds, val=val_folds, group_of=intake.group_of)
    return replace(seen, found=found)


def look(seen: Survey) -> dict[str, Any]:
    """What was recognised, as JSON."""
    counted = {
        "class_counts": Counter(each.label for each in seen.found),
        "fold_counts": Counter(each.fold for each in seen.found if each.fold is not None),
        "part_counts": Counter(each.part for each in seen.found if each.part is not None),
    }
    return {
        "dry_run": True,
        "format": seen.format,
        "recordings": len(seen.found),
        "pieces": sum(each.piece is not None for each in seen.found),
        **{name: dict(sorted(counts.items())) for name, counts in counted.items()},
        "skipped": [{"path": str(each.path), "reason": each.reason} for each in seen.skipped],
    }


def look_lines(seen: Survey) -> list[str]:
    """What was recognised, for people."""
    told = look(seen)
    pieces = f", {told['pieces']} of them pieces that are cut out" if told["pieces"] else ""
    lines = [
        f"{seen.format}: would read {told['recordings']} recordings{pieces}: {_counts(told['class_counts'])}",
    ]
    if told["fold_counts"]:
        lines.append(f"folds: {_counts(told['fold_counts'])}")
    if told["part_counts"]:
        lines.append(f"parts: {_counts(told['part_counts'])}")
    if seen.skipped:
        lines.append(f"would skip {len(seen.skipped)}:")
    lines += [f"  {each.path.name}: {each.reason}" for each in seen.skipped[:_SHOWN]]
    if len(seen.skipped) > _SHOWN:
        lines.append(f"  … and {len(seen.skipped) - _SHOWN} more; --json lists all")
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {many}" for name, many in counts.items())
