"""Files of a run: figures, reports, anything that is worth keeping beside the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ecosight.errors import InvalidInput
from mlflow_integration.runs import TrackedRun

__all__ = ["ArtifactLogger"]


class ArtifactLogger:
    """Writes files into one run; the same name again replaces the file. Not thread-safe, as the run."""

    def __init__(self, run: TrackedRun) -> None:
        self._run = run

    def log_artifacts(self, paths: Path | str | Iterable[Path | str], folder: str | None = None) -> None:
        """Upload files, and folders with everything in them.

        Args:
            folder: where they go within the run's files; None: the top.
        Raises: InvalidInput: a path does not exist; nothing is uploaded then.
        """
        found = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        if missing := [str(path) for path in found if not path.exists()]:
            raise InvalidInput(f"there is no file {missing[0]}", missing=missing)
        with self._run.connection.talking() as client:
            for path in found:
                if path.is_dir():
                    inside = "/".join(part for part in (folder, path.name) if part)
                    client.log_artifacts(self._run.run_id, str(path), inside)
                else:
                    client.log_artifact(self._run.run_id, str(path), folder)

    def log_figures(self, paths: Iterable[Path | str], folder: str = "figures") -> None:
        """Upload pictures; MLflow's pages show PNG, JPEG and SVG."""
        self.log_artifacts(paths, folder)

    def log_json(self, document: Mapping[str, Any] | list[Any], name: str) -> None:
        """Write a JSON-serialisable document under a name such as ``evaluation/report.json``."""
        with self._run.connection.talking() as client:
            client.log_dict(self._run.run_id, document, name)

    def log_text(self, text: str, name: str) -> None:
        with self._run.connection.talking() as client:
            client.log_text(self._run.run_id, text, name)
