"""Any database that MLflow takes will do: here PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecosight.errors import ConfigError, Unavailable
from mlflow_integration.connection import Connection
from mlflow_integration.tracker import MLflowTracker, ModelRegistry


def test_a_training_is_tracked_and_registered_on_postgresql(
    postgres_url: str, servable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(postgres_url, "sounds", artifact_location=str(tmp_path / "files"))
    registry = ModelRegistry(postgres_url, "sound", tmp_path / "cache")
    with tracker.start_run(tags={"ecosight.job_id": "job_1"}) as run:
        tracker.log_history({"loss": [1.0, 0.5]})
        ref = registry.register(servable, run_id=run.run_id)
        registry.set_alias("champion", ref)
    assert registry.champion() == ref
    assert registry.fetch(ref).name == ref.digest
    assert {path.name for path in tmp_path.iterdir()} == {"files", "cache"}


def test_a_database_without_a_place_for_files_is_refused(postgres_url: str) -> None:
    with pytest.raises(ConfigError) as told:
        MLflowTracker(postgres_url, "nowhere").start_run()
    assert "mlflow.artifact_location" in told.value.hint


def test_a_database_without_its_driver_says_what_to_install() -> None:
    with pytest.raises(Unavailable) as told:
        Connection("postgresql+no_such_driver://localhost/mlflow").check()
    assert "ecosight[postgresql]" in told.value.hint or "tracking_uri" in told.value.hint
