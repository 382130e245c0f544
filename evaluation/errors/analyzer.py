"""The class that users know: analyse a model's mistakes, tell them, write them down."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors.analysis import ErrorAnalysis, analyse_errors
from evaluation.errors.telling import error_lines
from evaluation.errors.writing import write_errors

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Progress, Servable
    from evaluation.errors.media import ReadMedia
    from evaluation.measuring import TestEntry
    from evaluation.predictions import Predictions

__all__ = ["ErrorAnalyzer"]


class ErrorAnalyzer:
    """Analyses the mistakes of one model on one test part.

    Args:
        predictions: what the model answered; ``ErrorAnalyzer.asking`` gets them from a model.
        trained_on: sample ids or groups that the model learned from. Their labels are not judged, because a model
            repeats what it was taught.
        settings: see ``analyse_errors``.
    Raises: TypeError: there is no such setting.
    """

    def __init__(
        self, predictions: Predictions, *, trained_on: Collection[str] = (), seed: int = 0, **settings: Any
    ) -> None:
        self.predictions = predictions
        self._settings = {"trained_on": trained_on, "seed": seed, **settings}
        _check_names(self._settings)
        self._analysis: ErrorAnalysis | None = None

    @classmethod
    def asking(
        cls,
        servable: Servable,
        entries: Sequence[TestEntry],
        blobs: BlobStore,
        *,
        progress: Progress | None = None,
        caveats: Sequence[str] = (),
        **settings: Any,
    ) -> ErrorAnalyzer:
        """Ask a model about labelled samples first; what is wrong with those on purpose is repeated.

        Raises: NotEnoughData: no entries. InputError, NotFound, IntegrityError: a sample cannot be read; it is named.
        """
        from ecosight.progress import NullProgress
        from evaluation.measuring import answer

        _check_names({"seed": 0, **settings})  # before the model is asked, which takes long
        return cls(answer(servable, entries, blobs, progress or NullProgress(), caveats=caveats), **settings)

    def analyze(self) -> ErrorAnalysis:
        """The analysis, made once. Raises: NotEnoughData: there are no answers. InvalidInput: a wrong setting."""
        if self._analysis is None:
            self._analysis = analyse_errors(self.predictions, **self._settings)
        return self._analysis

    def lines(self) -> list[str]:
        """For a terminal."""
        return error_lines(self.analyze())

    def write(self, folder: Path | str, read: ReadMedia | None = None) -> list[Path]:
        """errors.json, review.json, review.csv and errors.html; see ``write_errors``. Returns: the files."""
        return write_errors(self.analyze(), Path(folder), read)


def _check_names(settings: Mapping[str, Any]) -> None:
    """Raises: TypeError: ``analyse_errors`` knows no such setting."""
    inspect.signature(analyse_errors).bind(None, **settings)
