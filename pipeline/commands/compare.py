"""The verb that compares models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import JsonOutput, named_path, print_result, workbench


class Correction(StrEnum):
    """Of p-values for many tests."""

    holm = "holm"
    bonferroni = "bonferroni"
    bh = "bh"
    none = "none"


def mount(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(compare)


def compare(
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(help="Two or more: an alias, a version number, a models:/ URI, or a folder.")
    ],
    data: Annotated[
        str, typer.Option(help="A dataset part such as main@v3/test, or a folder or CSV of labelled files.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(parser=named_path, metavar="PATH", help="Folder for comparison.json, the page and the figures."),
    ] = None,
    correction: Annotated[Correction, typer.Option(help="Of p-values for many tests.")] = Correction.holm,
    as_json: JsonOutput = False,
) -> None:
    """Compare models on the same samples: which is better, by how much, how surely, and where."""
    from ecosight.progress import terminal_progress
    from evaluation.output import require_writable
    from pipeline.comparison import compare_models, result_of

    require_writable(output)
    bench = workbench(context)
    found = compare_models(bench, models=models, data=data, correction=correction.value, progress=terminal_progress())
    plain, lines = result_of(found, output)
    print_result(plain, as_json=as_json, text=lines)
