"""Runs: one for each training, opened, taken up again after a crash, and ended.

A run that carries the tag ``ecosight.job_id`` belongs to that job for good: whoever starts it again gets the same
run, and what is recorded in it already is not recorded twice.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ecosight.errors import Cancelled, EcosightError, InvalidInput
from mlflow_integration.connection import Connection

__all__ = ["ERROR_TAG", "JOB_TAG", "TrackedRun", "fail_run_of_job", "open_run"]

JOB_TAG = "ecosight.job_id"
ERROR_TAG = "ecosight.error"


class TrackedRun:
    """One open run; as a context manager it ends FINISHED, FAILED, or KILLED when the work was cancelled.

    Not thread-safe: one run belongs to one piece of work.
    """

    def __init__(self, connection: Connection, run: Any, *, resumed: bool) -> None:
        self.connection = connection
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self.artifact_uri: str = run.info.artifact_uri
        self.resumed = resumed
        self.params: dict[str, str] = dict(run.data.params)
        """What is recorded; parameters never change within a run."""
        self.on_end: Callable[[], None] = lambda: None
        self._recorded: dict[str, dict[int, float]] = {}

    @property
    def id(self) -> str:
        return self.run_id

    def recorded(self, metric: str) -> dict[int, float]:
        """Values by step that this run held when it was taken up again; empty for a fresh run."""
        if not self.resumed:
            return {}
        if metric not in self._recorded:
            with self.connection.talking() as client:
                points = client.get_metric_history(self.run_id, metric)
            self._recorded[metric] = {point.step: point.value for point in points}
        return self._recorded[metric]

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; a tag that exists takes the new value."""
        from mlflow.entities import RunTag

        with self.connection.talking() as client:
            client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def end(self, status: str = "FINISHED") -> None:
        """Close the run; the same job may open it again.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        with self.connection.talking() as client:
            client.set_terminated(self.run_id, status)
        self.on_end()

    def fail(self, error: BaseException) -> None:
        """Close the run as FAILED, or KILLED when the work was cancelled; a tag says why."""
        self.set_tags({ERROR_TAG: _in_words(error)})
        self.end("FAILED" if isinstance(error, Exception) and not isinstance(error, Cancelled) else "KILLED")

    def __enter__(self) -> TrackedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
            return
        try:
            self.fail(error)
        except EcosightError:  # the store is gone: the error on its way says more
            self.on_end()


def open_run(
    connection: Connection,
    experiment_id: str,
    *,
    name: str | None,
    tags: Mapping[str, Any],
    run_id: str | None = None,
) -> TrackedRun:
    """A fresh run, or the one of ``run_id``, or the one that the same job began before.

    Raises: NotFound: no run has that id. Unavailable.
    """
    wanted = {key: str(value) for key, value in tags.items()}
    job_id = wanted.get(JOB_TAG)
    run = _run_of_id(connection, run_id) if run_id else _run_of_job(connection, experiment_id, job_id)
    if run is not None:
        return _resume(connection, run, wanted)
    with connection.talking() as client:
        run = client.create_run(experiment_id, tags={**_origin(), **wanted}, run_name=name)
    first = _run_of_job(connection, experiment_id, job_id)
    if first is None or first.info.run_id == run.info.run_id:
        return TrackedRun(connection, run, resumed=False)
    with connection.talking() as client:  # a twin of this job, thought dead, was a moment quicker: theirs counts
        client.delete_run(run.info.run_id)
    return _resume(connection, first, wanted)


def fail_run_of_job(connection: Connection, experiment_id: str, job_id: str, error: Exception) -> None:
    """Close the run that a job left open when its last worker died; a run that was closed stays as it is.

    Raises: Unavailable.
    """
    run = _run_of_job(connection, experiment_id, job_id)
    if run is not None and run.info.status == "RUNNING":
        TrackedRun(connection, run, resumed=True).fail(error)


def _resume(connection: Connection, run: Any, tags: dict[str, str]) -> TrackedRun:
    resumed = TrackedRun(connection, run, resumed=True)
    with connection.talking() as client:
        client.update_run(resumed.run_id, status="RUNNING")
        if ERROR_TAG in run.data.tags:
            client.delete_tag(resumed.run_id, ERROR_TAG)
    resumed.set_tags({key: value for key, value in tags.items() if run.data.tags.get(key) != value})
    return resumed


def _run_of_id(connection: Connection, run_id: str) -> Any:
    with connection.talking() as client:
        return client.get_run(run_id)


def _run_of_job(connection: Connection, experiment_id: str, job_id: str | None) -> Any:
    if job_id is None:
        return None
    if "'" in job_id:
        raise InvalidInput(f"a job's id cannot hold a quotation mark: {job_id!r}")
    with connection.talking() as client:
        found = client.search_runs([experiment_id], f"tags.`{JOB_TAG}` = '{job_id}'", max_results=100)
    return min(found, key=lambda run: (run.info.start_time, run.info.run_id), default=None)


def _origin() -> dict[str, str]:
    """What MLflow's own pages show of where a run comes from."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.name": "ecosight", "mlflow.source.type": "LOCAL"}


def _in_words(error: BaseException) -> str:
    kind = error.code if isinstance(error, EcosightError) else type(error).__name__
    return f"{kind}: {error}"[:1000]
