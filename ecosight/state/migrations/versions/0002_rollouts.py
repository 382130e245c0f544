"""Rollouts: routings, rollouts, decisions, exposures, servers, leaders, incidents; outcomes count their changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _routings()
    _rollouts()
    _exposures()
    _servers()
    _incidents()
    op.add_column("outcomes", sa.Column("change", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("ix_outcomes_change", "outcomes", ["change"])


def _routings() -> None:
    op.create_table(
        "routings",
        sa.Column("epoch", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("rollout_id", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("epoch", name="pk_routings"),
    )
    op.create_index("ix_routings_made_at", "routings", ["made_at"])
    op.create_index("ix_routings_rollout_id", "routings", ["rollout_id"])


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="pk_rollouts"),
        sa.UniqueConstraint("id", name="uq_rollouts_id"),
    )
    unfinished = sa.text("finished_at IS NULL")
    op.create_index(
        "uq_rollouts_unfinished",
        "rollouts",
        ["model"],
        unique=True,
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    op.create_table(
        "decisions",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("rollout_id", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("verdict", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="pk_decisions"),
        sa.UniqueConstraint("id", name="uq_decisions_id"),
    )
    op.create_index("ix_decisions_rollout_id_arrival", "decisions", ["rollout_id", "arrival"])


def _exposures() -> None:
    op.create_table(
        "exposures",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("prediction_id", sa.Text, nullable=False),
        sa.Column("rollout_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("intended", sa.Text, nullable=False),
        sa.Column("answered", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("champion_label", sa.Text, nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="pk_exposures"),
        sa.UniqueConstraint("id", name="uq_exposures_id"),
    )
    op.create_index("ix_exposures_rollout_id_arrival", "exposures", ["rollout_id", "arrival"])
    op.create_index("ix_exposures_prediction_id", "exposures", ["prediction_id"])


def _servers() -> None:
    op.create_table(
        "servers",
        sa.Column("server_id", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("loaded", sa.JSON, nullable=False),
        sa.Column("arms", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="pk_servers"),
    )
    op.create_index("ix_servers_seen_at", "servers", ["seen_at"])
    op.create_table(
        "leaders",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leaders"),
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("rollout_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("unlatched_by", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="pk_incidents"),
        sa.UniqueConstraint("id", name="uq_incidents_id"),
    )
    op.create_index("ix_incidents_digest", "incidents", ["digest"])
