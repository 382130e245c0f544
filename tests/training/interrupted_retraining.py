"""A script for test_retraining: runs one retraining in processes that die by kill -9, and prints what is left.

    interrupted_retraining.py FOLDER TEMPLATE at POINT POINT …      each process dies right after (or before) a point
    interrupted_retraining.py FOLDER TEMPLATE random KILLS SEED   each process dies at a random moment

TensorFlow and MLflow are imported once; every attempt is a fork of that process, so that many kills cost little.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import tensorflow as tf
from training_kit import Project, open_project

from evaluation.evaluator import ModelEvaluator
from mlflow_integration.registry import ModelRegistry
from training import candidate, fitting, publishing
from training.plan import WorkFolder

JOB = "job_1"
IMPORTED = (mlflow.pyfunc, tf, ModelEvaluator)
"""What every attempt would import; here it happens once, before the forks."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(owner: object, name: str, when: Callable[..., bool], *, before: bool = False) -> None:
    """Let a function be the last thing this process does, if ``when`` says so of its arguments."""
    original = getattr(owner, name)

    def wrapped(*args, **kwargs):
        if before and when(*args, **kwargs):
            die()
        result = original(*args, **kwargs)
        if not before and when(*args, **kwargs):
            die()
        return result

    setattr(owner, name, wrapped)


def arm(project: Project, point: str) -> None:
    def always(*_args, **_kwargs):
        return True

    def is_document(name):
        return lambda _self, document, *_: document == name

    def is_alias(name):
        return lambda _self, alias, *_args, **_kwargs: alias == name

    points = {
        "plan": lambda: deadly(WorkFolder, "write", is_document("plan.json")),
        "run begun": lambda: deadly(publishing, "begin_run", always),
        "epoch": lambda: deadly(fitting._Run, "one_epoch", lambda run, *_: run.epoch == 3),
        "fitted": lambda: deadly(candidate, "calibrate", always, before=True),
        "compiled": lambda: deadly(WorkFolder, "write", is_document("candidate.json"), before=True),
        "logged": lambda: deadly(publishing, "log_results", always),
        "registered": lambda: deadly(ModelRegistry, "register", always),
        "challenger": lambda: deadly(ModelRegistry, "set_alias", is_alias("challenger")),
        "decided": lambda: deadly(WorkFolder, "write", is_document("gate.json")),
        "champion": lambda: deadly(ModelRegistry, "set_alias", is_alias("champion")),
        "settled": lambda: deadly(publishing, "settle", always),
        "row": lambda: deadly(type(project.parts.retrainings), "add", always),
    }
    points[point]()


def attempt(folder: Path, point: str | None, kill_after_s: float | None) -> bool:
    """Fork and retrain. True if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            project = open_project(folder)
            if point is not None:
                arm(project, point)
            project.retrain(JOB)
            code = 0
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, f"attempt {point} ended with {status}"
    return os.WIFSIGNALED(status)


def left(folder: Path) -> dict:
    """What is there in the end."""
    project = open_project(folder)
    rows, versions = project.parts.retrainings.history(), project.versions()
    record = rows[0]
    with np.load(project.parts.registry.fetch(versions[0].ref) / "examples.npz") as examples:
        probabilities = examples["probabilities"].tolist()
    runs = project.runs()
    return {
        "rows": [(row.job_id, row.verdict, row.model_version, row.run_id, row.dataset) for row in rows],
        "runs": [(run.run_id, run.status) for run in runs],
        "metrics": {name: value for name, value in runs[0].metrics.items() if not name.startswith("parity")},
        "versions": [(version.ref.version, version.run_id, sorted(version.aliases)) for version in versions],
        "datasets": len(project.parts.datasets.log()),
        "history": {name: list(curve) for name, curve in record.history.items()},
        "probabilities": probabilities,
        "work": [path.name for path in project.parts.config.work_folder.glob("*")],
    }


def in_child(function: Callable[[], object], answer: Path) -> object:
    """Run something that starts threads in a fork, and return its JSON: forks of this process stay safe."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            answer.write_text(json.dumps(function()))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    return json.loads(answer.read_text())


if __name__ == "__main__":
    root, template, mode, *rest = sys.argv[1:]
    whole, torn = Path(root) / "whole", Path(root) / "torn"
    for each in (whole, torn):
        in_child(lambda folder=each: open_project(folder, Path(template)).accept(12), Path(root) / "answer")
    began = time.monotonic()
    assert not attempt(whole, None, None)
    took_s = time.monotonic() - began
    killed = []
    if mode == "at":
        killed = [attempt(torn, point, None) for point in rest]
    else:
        dice = random.Random(int(rest[1]))
        for _ in range(int(rest[0])):
            killed.append(attempt(torn, None, dice.uniform(0.05, took_s)))
            if not killed[-1]:
                break
    attempt(torn, None, None)
    ends = {each.name: in_child(lambda folder=each: left(folder), Path(root) / "answer") for each in (whole, torn)}
    print(json.dumps({"killed": sum(killed), **ends}))
