"""The tables of the operational database, as they are at the newest migration."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from ecosight.state.columns import PlainText, Sequence, UtcDateTime

__all__ = [
    "UNFINISHED",
    "UNFINISHED_ROLLOUT",
    "decisions",
    "exposures",
    "incidents",
    "jobs",
    "leaders",
    "metadata",
    "outcomes",
    "predictions",
    "refs",
    "retrainings",
    "rollouts",
    "routings",
    "samples",
    "servers",
]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

refs = Table(
    "refs",
    metadata,
    Column("name", PlainText, primary_key=True),
    Column("target", PlainText, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    # The order of arrival: a clock may jump, a counter does not.
    Column("arrival", Sequence, primary_key=True),
    Column("id", PlainText, nullable=False),
    Column("origin", PlainText, nullable=False),
    Column("medium", PlainText, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("source", PlainText, nullable=False),
    Column("group", PlainText, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("label", PlainText),
    Column("details", JSON, nullable=False),
    UniqueConstraint("id"),
    Index(None, "label"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("sample_id", PlainText, nullable=False),
    Column("model_version", PlainText, nullable=False),
    Column("model_digest", PlainText, nullable=False),
    Column("variant", PlainText, nullable=False),
    Column("key", PlainText, nullable=False),
    Column("label", PlainText, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Index(None, "sample_id"),
    Index(None, "model_version", "made_at"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", PlainText, ForeignKey("predictions.id"), primary_key=True),
    Column("truth", PlainText, nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
    Column("annotator", PlainText, nullable=False),
    # Rises with every truth that is told or corrected: whoever remembers the last number reads only what is new.
    Column("change", BigInteger, nullable=False, server_default="0"),
    Index(None, "change"),
)

retrainings = Table(
    "retrainings",
    metadata,
    Column("arrival", Sequence, primary_key=True),
    Column("job_id", PlainText, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("verdict", PlainText, nullable=False),
    Column("dataset", PlainText, nullable=False),
    Column("dataset_version", Integer, nullable=False),
    Column("dataset_digest", PlainText, nullable=False),
    Column("sample_counts", JSON, nullable=False),
    Column("total_samples", Integer, nullable=False),
    Column("new_samples", Integer, nullable=False),
    Column("epochs_trained", Integer, nullable=False),
    Column("accuracy", Float),
    Column("macro_f1", Float),
    Column("model_version", PlainText),
    Column("model_digest", PlainText),
    Column("run_id", PlainText),
    Column("duration_s", Float, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("history", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    UniqueConstraint("job_id"),
)

UNFINISHED = text("exclusive AND status IN ('queued', 'running')")

jobs = Table(
    "jobs",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("kind", PlainText, nullable=False),
    Column("key", PlainText),
    Column("exclusive", Boolean, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("status", PlainText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    # Counts the claims and never goes back, as attempt does when a job is released: it tells leases apart.
    Column("fence", Integer, nullable=False),
    Column("worker", PlainText),
    Column("progress", JSON, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("lease_until", UtcDateTime),
    UniqueConstraint("kind", "key"),
    Index(None, "status", "kind", "created_at"),
    # Two processes cannot both insert an unfinished exclusive job of one kind, however they race.
    Index("uq_jobs_unfinished_exclusive", "kind", unique=True, sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
)

# The epoch is the key, so writing the next one is the compare-and-set, and the table is the history.
routings = Table(
    "routings",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("rollout_id", PlainText, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("document", JSON, nullable=False),
    Index(None, "made_at"),
    Index(None, "rollout_id"),
)

UNFINISHED_ROLLOUT = text("finished_at IS NULL")

rollouts = Table(
    "rollouts",
    metadata,
    Column("arrival", Sequence, primary_key=True),
    Column("id", PlainText, nullable=False),
    Column("model", PlainText, nullable=False),
    Column("state", PlainText, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    UniqueConstraint("id"),
    # Two processes cannot both begin a rollout of one model, however they race.
    Index(
        "uq_rollouts_unfinished",
        "model",
        unique=True,
        sqlite_where=UNFINISHED_ROLLOUT,
        postgresql_where=UNFINISHED_ROLLOUT,
    ),
)

decisions = Table(
    "decisions",
    metadata,
    Column("arrival", Sequence, primary_key=True),
    Column("id", PlainText, nullable=False),
    Column("rollout_id", PlainText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", PlainText, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("action", PlainText, nullable=False),
    Column("state", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("verdict", JSON, nullable=False),
    UniqueConstraint("id"),
    Index(None, "rollout_id", "arrival"),
)

exposures = Table(
    "exposures",
    metadata,
    Column("arrival", Sequence, primary_key=True),
    Column("id", PlainText, nullable=False),
    Column("prediction_id", PlainText, nullable=False),
    Column("rollout_id", PlainText, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("key", PlainText, nullable=False),
    Column("intended", PlainText, nullable=False),
    Column("answered", PlainText, nullable=False),
    Column("label", PlainText, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("fault", PlainText, nullable=False),
    Column("champion_label", PlainText, nullable=False),
    Column("counted", Boolean, nullable=False),
    UniqueConstraint("id"),
    Index(None, "rollout_id", "arrival"),
    Index(None, "prediction_id"),
)

servers = Table(
    "servers",
    metadata,
    Column("server_id", PlainText, primary_key=True),
    Column("host", PlainText, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("loaded", JSON, nullable=False),
    Column("arms", JSON, nullable=False),
    Index(None, "seen_at"),
)

leaders = Table(
    "leaders",
    metadata,
    Column("name", PlainText, primary_key=True),
    Column("holder", PlainText, nullable=False),
    # Rises with every take-over: a leader that slept through its lease is known by its old number.
    Column("fence", BigInteger, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("arrival", Sequence, primary_key=True),
    Column("id", PlainText, nullable=False),
    Column("rollout_id", PlainText, nullable=False),
    Column("digest", PlainText, nullable=False),
    Column("unlatched_by", PlainText, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    UniqueConstraint("id"),
    Index(None, "digest"),
)
