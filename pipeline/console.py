"""What every verb shares: the options, one way to print a result, one way to fail."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosight.errors import EcosightError, exit_code

if TYPE_CHECKING:
    from ecosight.config import Config
    from pipeline.wiring import Workbench

__all__ = [
    "DryRun",
    "JsonOutput",
    "Options",
    "fail",
    "named_path",
    "options",
    "print_result",
    "print_table",
    "workbench",
]

JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


def named_path(text: str) -> Path:
    """A shell variable that is not set gives an empty name, which would mean the current folder."""
    if not text.strip():
        raise typer.BadParameter("it is empty: name a folder or a file, or . for the current folder")
    return Path(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options before the verb."""

    config: Path | None = None
    debug: bool = False


def options(context: typer.Context) -> Options:
    """The options that were given before the verb."""
    found = context.find_object(Options)
    return found if found is not None else Options()


def config(context: typer.Context) -> Config:
    """The configuration that the options name."""
    from ecosight.config import load_config

    return load_config(options(context).config)


def workbench(context: typer.Context) -> Workbench:
    """The project's parts, closed when the command ends. What they log goes to standard error, warnings only."""
    from ecosight.logs import configure_logging
    from pipeline.wiring import open_workbench

    configure_logging(level="WARNING")
    made = open_workbench(options(context).config)
    context.call_on_close(made.close)
    return made


def print_result(result: Any, *, as_json: bool, text: str | Iterable[str] = "") -> None:
    """Print a command's result: the JSON object for programs, or the lines for people."""
    if as_json:
        print(json.dumps(result, indent=2, default=str))
        return
    for line in [text] if isinstance(text, str) else text:
        print(line)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table, aligned, that also reads well in a log file."""
    cells = [[str(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fail(error: BaseException, *, debug: bool, as_json: bool) -> int:
    """Say in one sentence what went wrong, with a hint, and return the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, EcosightError):
        if as_json:
            print(json.dumps({"error": error.as_dict()}, indent=2, default=str))
        else:
            print(f"error: {error.message}", file=sys.stderr)
            if error.hint:
                print(f"hint: {error.hint}", file=sys.stderr)
        return exit_code(error)
    if isinstance(error, KeyboardInterrupt):
        print("stopped; nothing that was finished is lost, the same command goes on", file=sys.stderr)
        return 130
    print(f"error: unexpected {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
    print("hint: run the same command as `ecosight --debug …` and report the traceback.", file=sys.stderr)
    return 1
