"""Owns the files of an analysis: errors.json, review.csv, review.json and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors.page import error_page
from evaluation.errors.review import review_csv
from evaluation.output import writing

if TYPE_CHECKING:
    from evaluation.errors.analysis import ErrorAnalysis
    from evaluation.errors.media import ReadMedia

__all__ = ["write_errors"]


def write_errors(analysis: ErrorAnalysis, folder: Path, read: ReadMedia | None = None) -> list[Path]:
    """Write all four, the page last. Returns: the files.

    Args:
        read: gives a sample's media type and bytes for the page; None leaves the samples out.
    Raises: InvalidInput: the folder cannot be written into.
    """
    review = [each.as_dict() for each in analysis.review]
    texts = {
        "errors.json": json.dumps(analysis.as_dict(), indent=2, allow_nan=False, ensure_ascii=False),
        "review.json": json.dumps(review, indent=2, allow_nan=False, ensure_ascii=False),
        "review.csv": review_csv(analysis.review),
        "errors.html": error_page(analysis, read),
    }
    with writing(folder):
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8", newline="")
    return [folder / name for name in texts]
