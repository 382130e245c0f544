"""The command `ecosight`: mounts the verbs. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ecosight import __version__
from pipeline.commands import augment, compare, data, duplicates, errors, jobs, models, project, rollbacks, rollouts
from pipeline.console import Options, fail

__all__ = ["app", "main"]

app = typer.Typer(
    name="ecosight",
    help="Keeps a deployed model getting better: ingest, train, register, serve, roll out, retrain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ecosight {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file [./config.yaml].")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    context.obj = Options(config=config, debug=debug)
    # TensorFlow writes pages about this machine's processor unless told so before it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")


for room in (project, data, duplicates, models, compare, errors, jobs, rollouts, rollbacks, augment):
    room.mount(app)


def main() -> None:
    """Run the command: exit codes by error family, one sentence and a hint, a traceback only with --debug."""
    from typer.exceptions import Abort, TyperException

    arguments = sys.argv[1:]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may be any bytes; one that cannot be shown must not end a command whose work is done.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
    except TyperException as error:  # wrong usage: the parser's own sentence
        error.show()  # type: ignore[attr-defined]
        sys.exit(2)
    except (Abort, KeyboardInterrupt):
        sys.exit(fail(KeyboardInterrupt(), debug=False, as_json=False))
    except Exception as error:
        sys.exit(fail(error, debug="--debug" in arguments, as_json="--json" in arguments))
    sys.exit(code if isinstance(code, int) else 0)
