"""Refs, samples, predictions with their outcomes, retrainings and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _refs_and_samples()
    _predictions()
    _retrainings()
    _jobs()


def _refs_and_samples() -> None:
    op.create_table(
        "refs",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_refs"),
    )
    op.create_table(
        "samples",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("medium", sa.Text, nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="pk_samples"),
        sa.UniqueConstraint("id", name="uq_samples_id"),
    )
    op.create_index("ix_samples_label", "samples", ["label"])


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sample_id", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_digest", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_sample_id", "predictions", ["sample_id"])
    op.create_index("ix_predictions_model_version_made_at", "predictions", ["model_version", "made_at"])
    op.create_table(
        "outcomes",
        sa.Column("prediction_id", sa.Text, nullable=False),
        sa.Column("truth", sa.Text, nullable=False),
        sa.Column("told_at", moment, nullable=False),
        sa.Column("annotator", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_outcomes"),
        sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"], name="fk_outcomes_prediction_id"),
    )


def _retrainings() -> None:
    op.create_table(
        "retrainings",
        sa.Column("arrival", row_number, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("dataset_version", sa.Integer, nullable=False),
        sa.Column("dataset_digest", sa.Text, nullable=False),
        sa.Column("sample_counts", sa.JSON, nullable=False),
        sa.Column("total_samples", sa.Integer, nullable=False),
        sa.Column("new_samples", sa.Integer, nullable=False),
        sa.Column("epochs_trained", sa.Integer, nullable=False),
        sa.Column("accuracy", sa.Float),
        sa.Column("macro_f1", sa.Float),
        sa.Column("model_version", sa.Text),
        sa.Column("model_digest", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("history", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("arrival", name="pk_retrainings"),
        sa.UniqueConstraint("job_id", name="uq_retrainings_job_id"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("exclusive", sa.Boolean, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("not_before", moment),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("lease_until", moment),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("kind", "key", name="uq_jobs_kind_key"),
    )
    op.create_index("ix_jobs_status_kind_created_at", "jobs", ["status", "kind", "created_at"])
    unfinished = sa.text("exclusive AND status IN ('queued', 'running')")
    op.create_index(
        "uq_jobs_unfinished_exclusive",
        "jobs",
        ["kind"],
        unique=True,
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
