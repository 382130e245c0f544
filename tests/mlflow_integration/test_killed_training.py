"""kill -9 between any two steps of a training, then again: one run, one version, every value once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlflow_integration.connection import Connection
from mlflow_integration.tracker import ExperimentManager, ModelRegistry

SCRIPT = Path(__file__).with_name("killable.py")
KILLS = 10


class Forks:
    """The process of ``killable.py``."""

    def __init__(self, scratch: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(scratch)},
        )

    def run(self, **request: Any) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._process.stderr and self._process.stderr.read()
        codes: list[int] = json.loads(line)["codes"]
        return codes

    def close(self) -> str:
        _, errors = self._process.communicate()
        return errors


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    started = Forks(tmp_path_factory.mktemp("scratch"))
    yield started
    assert started.close() == "", "neither MLflow nor we say anything on standard error"


@pytest.fixture
def training(tmp_path: Path, empty_database: Path, servable: Path) -> Callable[[str], dict[str, Any]]:
    """Makes a request for a training in a fresh store."""

    def fresh(name: str) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(empty_database, folder / "mlflow.db")
        return {
            "work": "train",
            "store": f"sqlite:///{folder / 'mlflow.db'}",
            "servable": str(servable),
            "cache": str(folder / "cache"),
            "report": str(folder / "points"),
        }

    return fresh


def points_of(forks: Forks, request: dict[str, Any]) -> int:
    """How many points an undisturbed training passes."""
    assert forks.run(**request) == [0]
    claim_recorded_once(request["store"])
    return int(Path(request["report"]).read_text())


@pytest.mark.slow
def test_a_training_killed_anywhere_and_started_again_is_recorded_once(
    forks: Forks, training: Callable[[str], dict[str, Any]]
) -> None:
    points = points_of(forks, training("whole"))
    assert points > 50, "each write and each copied file is a point"
    for kill in range(KILLS):
        at = 1 + kill * (points - 1) // (KILLS - 1)
        request = training(f"killed_at_{at}")
        assert forks.run(**request, kill_at=at) == [-9]
        assert forks.run(**request) == [0]
        claim_recorded_once(request["store"])


@pytest.mark.slow
def test_a_training_killed_at_every_point_and_again_on_the_way_is_recorded_once(
    forks: Forks, training: Callable[[str], dict[str, Any]]
) -> None:
    for at in range(1, points_of(forks, training("whole")) + 1):
        request = training(f"killed_at_{at}")
        assert forks.run(**request, kill_at=at) == [-9]
        assert forks.run(**request, kill_at=3 + at % 11) == [-9]
        assert forks.run(**request) == [0]
        claim_recorded_once(request["store"])


def claim_recorded_once(store: str) -> None:
    runs = ExperimentManager(store).runs("killed")
    assert [run.status for run in runs] == ["FINISHED"]
    run = runs[0]
    assert run.params == {"epochs": "6", "optimizer": "adam", "hidden_units": "[512, 256]"}
    registry = ModelRegistry(store, "killed")
    (version,) = registry.versions()
    assert (version.aliases, version.run_id, version.tags["accuracy"]) == (("champion",), run.run_id, "0.9")
    with Connection(store).talking() as client:
        for metric, steps in {"loss": 6, "val_loss": 6, "curve": 20}.items():
            history = client.get_metric_history(run.run_id, metric)
            assert Counter(point.step for point in history) == Counter(range(steps))
        recorded = client.get_run(run.run_id)
        assert len(recorded.inputs.dataset_inputs) == 3
        assert len(recorded.outputs.model_outputs) == 1
        (model,) = client.search_logged_models([recorded.info.experiment_id])
        assert model.status == "READY"


def test_processes_that_start_at_once_make_one_database(forks: Forks, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    assert forks.run(work="create", store=store, times=4) == [0, 0, 0, 0]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mlflow.db"]


def test_a_database_whose_making_was_killed_is_made_by_the_next(forks: Forks, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert forks.run(work="create", store=store, kill_at=2) == [-9]
    assert not (tmp_path / "mlflow.db").exists()
    assert forks.run(work="create", store=store) == [0]
