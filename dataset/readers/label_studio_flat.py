"""Owns telling those exports of Label Studio that cannot be read: JSON-MIN, CSV and TSV.

They put labels and data side by side, both under names of the user's choice, so neither can be told from the other.
"""

from __future__ import annotations

from pathlib import Path

from dataset.readers.source import Source
from dataset.readers.tables import columns_of
from ecosight.errors import InvalidInput

__all__ = ["flat_exports", "refused"]

_OF_AN_ANNOTATION = "annotation_id"
_BESIDE = ("annotator", "lead_time")


def flat_exports(source: Source) -> list[Path]:
    """Tables and JSON with a row for each annotation, under the names that Label Studio gives its own columns."""
    tables = [path for path in source.notes(".csv", ".tsv") if _is_table(path, source.head(path))]
    return [*tables, *(path for path in source.notes(".json") if _is_json_min(source.head(path)))]


def refused(path: Path) -> InvalidInput:
    kind = "JSON-MIN" if path.suffix.lower() == ".json" else path.suffix[1:].upper()
    return InvalidInput(
        f"{path.name} looks like Label Studio's {kind} export, where labels and data cannot be told apart",
        hint="In Label Studio, export as JSON; if something else beside it is to be read, --format names that.",
    )


def _is_table(path: Path, head: str) -> bool:
    names = columns_of(head.partition("\n")[0], "\t" if path.suffix.lower() == ".tsv" else ",")
    ours = "path" in names and "label" in names
    return _OF_AN_ANNOTATION in names and any(name in names for name in _BESIDE) and not ours


def _is_json_min(head: str) -> bool:
    keys = f'"{_OF_AN_ANNOTATION}"' in head and any(f'"{name}"' in head for name in _BESIDE)
    whole = '"annotations"' in head or '"completions"' in head
    return head.lstrip().startswith("[") and keys and not whole
