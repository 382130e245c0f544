"""Runs the migrations on the connection, and inside the transaction, that ``migrate`` brings."""

from __future__ import annotations

from alembic import context

from ecosight.state.migrating import VERSION_TABLE
from ecosight.state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
