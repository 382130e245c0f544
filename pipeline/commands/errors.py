"""The verb about mistakes: errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import JsonOutput, print_result, workbench


def mount(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(errors)


def errors(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="An alias, a version number, a models:/ URI, or a folder with a servable.")
    ] = "champion",
    data: Annotated[
        str, typer.Option(help="A dataset part such as main@v3/test, or a folder or CSV of labelled files.")
    ] = "",
    output: Annotated[Path | None, typer.Option(help="Folder for the page, the JSON and the review list.")] = None,
    most: Annotated[int, typer.Option(min=0, help="Samples on the review list.")] = 50,
    as_json: JsonOutput = False,
) -> None:
    """Find what goes wrong: bad parts, confusions, suspected labels, and the samples that a person should look at."""
    from ecosight.progress import terminal_progress
    from pipeline.error_review import review_errors

    result = review_errors(
        workbench(context), model=model, data=data, output=output, most=most, progress=terminal_progress()
    )
    print_result(result.as_dict(), as_json=as_json, text=result.lines())
