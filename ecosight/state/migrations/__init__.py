"""The Alembic migrations of the operational database."""
