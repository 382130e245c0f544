"""Experiments: found or made by name, and the runs in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecosight.errors import ConfigError, Conflict
from mlflow_integration.connection import Connection, connect

__all__ = ["ExperimentManager", "RunSummary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as a list shows it: last value of each metric."""

    run_id: str
    name: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class ExperimentManager:
    """The experiments of one store. Thread-safe.

    Args:
        store: a tracking URI or a connection; None: the configured store.
        artifact_location: URI (a folder or ``s3://…``) below which each new experiment gets its own folder;
            None: beside an embedded database, else the server's own choice.
    """

    def __init__(self, store: str | Connection | None = None, *, artifact_location: str | None = None) -> None:
        self._connection = connect(store)
        self._root = artifact_location or self._connection.artifact_root
        if self._root and "://" not in self._root and not self._connection.is_remote:
            self._root = Path(self._root).expanduser().absolute().as_uri()

    def ensure(self, name: str) -> str:
        """The experiment's id; made if there is none yet, by whichever process is first.

        Raises: Conflict: the experiment was deleted. Unavailable.
        """
        found = self._find(name)
        if found is None:
            try:
                with self._connection.talking() as client:
                    return str(client.create_experiment(name, artifact_location=self._location(name)))
            except Conflict:  # another process was quicker
                found = self._find(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise Conflict(
                f"the MLflow experiment {name!r} was deleted",
                hint=f"`mlflow experiments restore -x {found.experiment_id}`, or set another mlflow.experiment_name.",
            )
        return str(found.experiment_id)

    def names(self) -> list[str]:
        """Names of all experiments that are not deleted, sorted."""
        with self._connection.talking() as client:
            return sorted(found.name for found in client.search_experiments(max_results=1000))

    def runs(self, name: str, *, limit: int = 100) -> list[RunSummary]:
        """The experiment's runs, newest first; none for an unknown experiment."""
        found = self._find(name)
        if found is None:
            return []
        with self._connection.talking() as client:
            rows = client.search_runs([found.experiment_id], max_results=limit, order_by=["attributes.start_time DESC"])
        return [_summary(row) for row in rows]

    def _find(self, name: str) -> Any:
        with self._connection.talking() as client:
            return client.get_experiment_by_name(name)

    def _location(self, name: str) -> str | None:
        if self._root is None and not self._connection.is_remote:
            raise ConfigError(
                f"nothing says where the files of {self._connection.shown_uri} go",
                hint="Set mlflow.artifact_location to a folder or an s3:// URI.",
            )
        # Runs and models have folders of their own below it, so two experiments may share one.
        return f"{self._root.rstrip('/')}/{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}" if self._root else None


def _summary(row: Any) -> RunSummary:
    return RunSummary(
        run_id=row.info.run_id,
        name=row.info.run_name or "",
        status=row.info.status,
        started_at=_moment(row.info.start_time),
        finished_at=_moment(row.info.end_time) if row.info.end_time else None,
        params=dict(row.data.params),
        metrics=dict(row.data.metrics),
        tags=dict(row.data.tags),
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
