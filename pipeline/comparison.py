"""Owns comparing models from where they are kept: finds them and the data, asks each, and writes what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from ecosight.ports import Progress
    from evaluation.comparing import Comparison
    from pipeline.wiring import Workbench

__all__ = ["compare_models", "result_of"]


def compare_models(
    bench: Workbench, *, models: Sequence[str], data: str, correction: str, progress: Progress
) -> Comparison:
    """Ask each model about the same samples, and compare the answers.

    Args:
        models: aliases, version numbers or folders with a servable artifact; two or more.
        data: ``NAME@vN/PART``, a folder or CSV of labelled files, or empty for the newest test part.
        correction: of p-values for many tests: holm, bonferroni, bh or none.
    Raises: InvalidInput: fewer than two models, or an unknown correction. NoModel, NotFound: there is no such model or
        data. NotEnoughData: no samples.
    """
    from evaluation.comparing import ModelComparator
    from evaluation.measuring import answer
    from evaluation.taught import taught_among
    from pipeline.assess import find_data, find_model

    if len(models) < 2:
        raise InvalidInput("a comparison needs at least two models", hint="Such as: ecosight compare champion 4")
    comparator = ModelComparator(
        correction=correction,
        bootstrap_samples=bench.config.evaluation.bootstrap_samples,
        seed=bench.config.project.seed,
    )
    test = find_data(bench, data, progress)
    answered = []
    for model in models:  # one after the other: each is let go before the next is loaded
        servable, shown = find_model(bench, model)
        taught = taught_among(servable.info, test.entries, bench.datasets.get, own=test.version)
        answered.append(
            answer(servable, test.entries, test.blobs, progress, model=shown, caveats=test.caveats, taught=taught)
        )
    return comparator.compare(answered, data=test.name)


def result_of(comparison: Comparison, output: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The result as a JSON object and as lines for people; with a folder, the files are written and named."""
    from evaluation.comparing import ModelComparator, comparison_lines

    files = [str(file) for file in ModelComparator().write(comparison, output)] if output else []
    lines = [*comparison_lines(comparison), *(f"wrote {file}" for file in files)]
    return comparison.as_dict() | {"files": files}, lines
