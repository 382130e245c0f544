"""Runs work in processes forked from this one, so that each starts in no time, and kills them with SIGKILL.

Run as a script: reads one JSON object a line from standard input, answers with one a line on standard output.

- ``{"work": "train", "store": …, "servable": …, "cache": …, "kill_at": 7}`` forks a process that trains, and kills
  itself at the 7th point where something becomes durable: before a database commit, before a file is copied.
  Answers ``{"code": -9}``; without ``kill_at``, ``{"code": 0, "points": 31}``.
- ``{"work": "create", "store": …, "times": 4}`` forks processes that all make the same store at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecosight.values import DatasetRef
from mlflow_integration.connection import Connection
from mlflow_integration.tracker import MLflowTracker, ModelRegistry

JOB = "job_01"
EPOCHS = 6
CURVE = [1.0 / (step + 1) for step in range(20)]


def train(store: str, servable: str, cache: str, **_: Any) -> None:
    """A training as the orchestrator does it, apart from the learning."""
    tracker = MLflowTracker(store, "killed")
    with tracker.start_run("training", tags={"ecosight.job_id": JOB}) as run:
        tracker.log_params({"epochs": EPOCHS, "optimizer": "adam", "hidden_units": [512, 256]})
        parts = {"train": {"a": 8, "b": 4}, "val": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}
        tracker.log_dataset(DatasetRef(name="main", version=3, digest="d" * 64), {"a": 10, "b": 6}, parts)
        for epoch in range(EPOCHS):
            tracker.log_metrics({"loss": 1.0 / (epoch + 1), "val_loss": 2.0 / (epoch + 1)}, step=epoch)
        tracker.log_history({"curve": CURVE})
        tracker.log_json({"accuracy": 0.9}, "evaluation/report.json")
        registry = ModelRegistry(store, "killed", Path(cache))
        ref = registry.register(Path(servable), run_id=run.run_id, tags={"accuracy": 0.9})
        registry.set_alias("champion", ref, why="first model")


def create(store: str, at: float, **_: Any) -> None:
    time.sleep(max(0.0, at - time.time()))
    with Connection(store).talking() as client:
        assert [experiment.name for experiment in client.search_experiments()] == ["Default"]


def forked(work: Callable[..., None], request: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        counter = _Counter(request.get("kill_at"))
        work(**request)
        code = 0
        Path(request["report"]).write_text(str(counter.points)) if "report" in request else None
    finally:
        sys.stderr.flush()
        os._exit(code)


class _Counter:
    """Counts the points at which something becomes durable, and dies at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        import sqlalchemy

        self.points, self._kill_at = 0, kill_at
        sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", lambda _: self.pass_by())
        for name in ("copyfile", "copy2"):
            setattr(shutil, name, self._counted(getattr(shutil, name)))

    def pass_by(self) -> None:
        self.points += 1
        if self.points == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, copy: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.pass_by()
            return copy(*args, **kwargs)

        return counted


def main() -> None:
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  - imported once, before forking

    for line in sys.stdin:
        request = json.loads(line)
        work = {"train": train, "create": create}[request["work"]]
        request["at"] = time.time() + 0.2
        children = [forked(work, request) for _ in range(request.get("times", 1))]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps({"codes": codes}), flush=True)


if __name__ == "__main__":
    main()
