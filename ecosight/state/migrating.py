"""Brings a database to the newest migration; safe when several processes open a fresh one at once."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, Engine, inspect, text

from ecosight.errors import ConfigError

__all__ = ["HEAD", "VERSION_TABLE", "migrate", "revision"]

VERSION_TABLE = "ecosight_version"
"""Not Alembic's own name: Optuna and MLflow use that one, and a database may be shared by mistake."""

HEAD = "0002"
"""The newest migration, written down so that opening an up-to-date database needs no Alembic."""

_ADVISORY_LOCK = 7_308_327_774_463_321  # any number that no other program uses
_alembic = threading.Lock()  # Alembic's context is one per process


def migrate(engine: Engine) -> None:
    """Upgrade to the newest migration, in one transaction that no other process can interleave.

    Raises: ConfigError: the database was made by a newer EcoSight.
    """
    with engine.connect() as connection:
        if revision(connection) == HEAD:
            return
    # SQLite: the transaction begins IMMEDIATE, which is the lock. PostgreSQL: an advisory lock until its end.
    with _alembic, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        if revision(connection) != HEAD:
            _upgrade(connection)


def revision(connection: Connection) -> str | None:
    """The migration that the database is at; None for a fresh one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    # The name is a constant of this module.
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "ecosight.state:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            f"the database is at migration {revision(connection)!r}, which this EcoSight does not know",
            hint="A newer EcoSight made it: upgrade this one, or point database.url to another database.",
        ) from error
