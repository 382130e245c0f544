"""MLflow's own SQLite database, made whole or not at all, by however many processes start at once.

MLflow would run its migrations in place: two processes at once break each other, and one killed half-way
leaves a database that never opens again. So the database is made under another name, and then linked to its own.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

__all__ = ["ensure_database"]

LEFTOVER_S = 3600


def ensure_database(file: Path, *, artifact_root: str) -> None:
    """Make the database unless it is there.

    Args:
        artifact_root: URI where MLflow's ``Default`` experiment keeps its files.
    Raises: OSError: the folder cannot be made or written.
    """
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    _sweep(file)
    made = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        _migrate(made, artifact_root)
        _publish(made, file)
    finally:
        made.unlink(missing_ok=True)


def _migrate(file: Path, artifact_root: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.touch()  # says "may not be written" here, and not after MLflow's minutes of retries
    uri = f"sqlite:///{file}"
    store = SqlAlchemyStore(uri, artifact_root)
    store.engine.dispose()
    getattr(SqlAlchemyStore, "_engine_map", {}).pop(
        uri, None
    )  # else the class keeps an engine for a name that vanishes


def _publish(made: Path, file: Path) -> None:
    try:
        os.link(made, file)  # atomic, and never over a database that another process made meanwhile
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not file.exists():
            os.replace(made, file)


def _sweep(file: Path) -> None:
    """Remove what processes killed long ago left behind."""
    for leftover in file.parent.glob(f".{file.name}.*.new*"):
        if time.time() - leftover.stat().st_mtime > LEFTOVER_S:
            leftover.unlink(missing_ok=True)
