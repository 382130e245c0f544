"""The operational database: samples, refs, predictions with their outcomes, retrainings, jobs and rollouts."""

from ecosight.state.database import Database, open_database
from ecosight.state.exposures import ExposureLog, Exposures
from ecosight.state.incidents import Incidents
from ecosight.state.jobs import Job, JobQueue, Lease
from ecosight.state.leadership import Fence, Leadership
from ecosight.state.predictions import PredictionLog
from ecosight.state.refs import DatabaseRefs
from ecosight.state.retrainings import RetrainingLog, RetrainingRecord
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.samples import SampleStore
from ecosight.state.servers import Servers

__all__ = [
    "Database",
    "DatabaseRefs",
    "ExposureLog",
    "Exposures",
    "Fence",
    "Incidents",
    "Job",
    "JobQueue",
    "Lease",
    "Leadership",
    "PredictionLog",
    "RetrainingLog",
    "RetrainingRecord",
    "RolloutStore",
    "RoutingStore",
    "SampleStore",
    "Servers",
    "open_database",
]
