"""Owns the comparator that users call: settings once, then answers in, and a comparison with its files out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from evaluation.comparing.comparing import compare
from evaluation.comparing.comparison import Comparison
from evaluation.comparing.correcting import corrected
from evaluation.output import writing
from evaluation.predictions import Predictions

__all__ = ["ModelComparator"]

JSON_FILE, PAGE_FILE = "comparison.json", "comparison.html"


class ModelComparator:
    """Compares any number of models by their answers to one test part.

    Args:
        correction: of p-values for many tests: holm, bonferroni, bh or none.
        bootstrap_samples, seed: of the intervals.
    Raises: InvalidInput: an unknown correction.
    """

    def __init__(self, *, correction: str = "holm", bootstrap_samples: int = 1000, seed: int = 7) -> None:
        corrected([], correction)
        self.correction, self.bootstrap_samples, self.seed = correction, bootstrap_samples, seed

    def compare(self, predictions: Sequence[Predictions], *, data: str = "") -> Comparison:
        """See ``evaluation.comparing.compare``."""
        return compare(
            predictions,
            correction=self.correction,
            bootstrap_samples=self.bootstrap_samples,
            seed=self.seed,
            data=data,
        )

    @staticmethod
    def draw(comparison: Comparison) -> dict[str, bytes]:
        """Name -> PNG bytes of every figure."""
        from evaluation.comparing.figures import draw_comparison

        return draw_comparison(comparison)

    @staticmethod
    def page(comparison: Comparison) -> str:
        """One HTML page that needs no network."""
        from evaluation.comparing.page import comparison_page

        return comparison_page(comparison)

    def write(self, comparison: Comparison, folder: Path | str) -> list[Path]:
        """comparison.json, the figures and comparison.html, into a folder that is made if it is missing.

        Returns: the files, in that order. Raises: InvalidInput: the folder cannot be written into.
        """
        place = Path(folder)
        plain = json.dumps(comparison.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        with writing(place):
            files = [_written(place / JSON_FILE, (plain + "\n").encode())]
            files += [_written(place / f"{name}.png", drawn) for name, drawn in self.draw(comparison).items()]
            return [*files, _written(place / PAGE_FILE, self.page(comparison).encode())]


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
