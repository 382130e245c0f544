"""Stores are reached by their own URI, quickly, quietly, and with errors that help."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecosight.errors import ConfigError, Unavailable
from mlflow_integration.connection import Connection, connect
from mlflow_integration.tracker import MLflowTracker, ModelRegistry


def test_a_folder_is_refused_with_the_uri_that_would_do() -> None:
    with pytest.raises(ConfigError) as told:
        Connection("file:///srv/mlruns")
    assert "sqlite:////srv/mlruns/mlflow.db" in told.value.hint


def test_a_relative_database_stays_the_same_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Connection("sqlite:///mlflow.db").database_file == tmp_path / "mlflow.db"


def test_without_a_uri_the_configured_store_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert connect().database_file == tmp_path / "ecosight_data" / "mlflow.db"


def test_a_server_that_is_down_is_told_within_seconds(store: str, tmp_path: Path) -> None:
    Connection(store).check()  # MLflow's import is not what is timed
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, and nobody listens
        uri = f"http://user:secret@127.0.0.1:{held.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Unavailable) as told:
            ModelRegistry(uri, "sound", tmp_path).champion()
        with pytest.raises(Unavailable):
            MLflowTracker(uri).start_run()
        with pytest.raises(Unavailable):
            Connection(uri).check()
    assert time.monotonic() - began < 10
    assert "secret" not in str(told.value)
    assert "mlflow server" in told.value.hint


def test_a_file_that_is_no_database_is_told_within_seconds(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="not a database"):
        Connection(f"sqlite:///{tmp_path / 'mlflow.db'}").check()
    assert time.monotonic() - began < 10


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(Unavailable) as told:
        Connection(f"sqlite:///{tmp_path / 'taken' / 'mlflow.db'}").check()
    assert "mlflow.tracking_uri" in told.value.hint


def test_a_database_of_another_schema_says_how_to_upgrade(store: str) -> None:
    import sqlite3

    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(Unavailable) as told:
        Connection(store).check()
    assert "mlflow db upgrade" in told.value.hint


def test_a_healthy_store_passes_its_check(store: str) -> None:
    Connection(store).check()


def test_two_stores_live_in_one_process_and_nothing_global_changes(
    store: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Connection(store).check()  # imports MLflow, and silences it
    import mlflow

    monkeypatch.chdir(tmp_path)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").write_bytes(empty_database.read_bytes())
    before = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    one, two = MLflowTracker(store, "one"), MLflowTracker(other, "two")
    with one.start_run("of one"), two.start_run("of two"):
        one.log_params({"store": 1})
        two.log_params({"store": 2})
    assert [run.params for run in one.experiments.runs("one")] == [{"store": "1"}]
    assert [run.params for run in two.experiments.runs("two")] == [{"store": "2"}]
    assert one.experiments.runs("two") == []
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
    assert not (tmp_path / "mlruns").exists()


POLL = """
import json, sys, time
import psutil
from mlflow_integration.registry import ModelRegistry
registry = ModelRegistry(sys.argv[1], "sound", sys.argv[2])
assert registry.champion() is None
began = time.perf_counter()
for _ in range(50):
    registry.champion()
each_ms = (time.perf_counter() - began) / 50 * 1000
heavy = [name for name in ("tensorflow", "sklearn", "matplotlib", "keras", "mlflow.pyfunc") if name in sys.modules]
memory_mb = psutil.Process().memory_info().rss / 2**20  # ru_maxrss would be that of the process that started it
print(json.dumps({"heavy": heavy, "each_ms": each_ms, "memory_mb": memory_mb}))
"""


def test_polling_the_champion_is_cheap_light_and_silent(tmp_path: Path) -> None:
    """In a process of its own, from nothing: the database is made on the way."""
    import json

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-c", POLL, store, str(tmp_path / "cache")], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert done.stderr == "", "MLflow's and Alembic's log lines are not for our users"
    assert told["heavy"] == []
    assert told["each_ms"] < 30
    assert told["memory_mb"] < 280
