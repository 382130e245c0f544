"""The operational database: samples, refs, predictions with their outcomes, retrainings and jobs."""

from ecosight.state.database import Database, open_database
from ecosight.state.jobs import Job, JobQueue, Lease
from ecosight.state.predictions import PredictionLog
from ecosight.state.refs import DatabaseRefs
from ecosight.state.retrainings import RetrainingLog, RetrainingRecord
from ecosight.state.samples import SampleStore

__all__ = [
    "Database",
    "DatabaseRefs",
    "Job",
    "JobQueue",
    "Lease",
    "PredictionLog",
    "RetrainingLog",
    "RetrainingRecord",
    "SampleStore",
    "open_database",
]
