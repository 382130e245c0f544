"""A script for test_retraining: fifty workers die by kill -9 over one job; prints what the one after them leaves.

    mortal_workers.py FOLDER TEMPLATE

The first dies in the middle of an epoch, the others as soon as they have the job.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from interrupted_retraining import arm, die, in_child
from training_kit import Project, open_project

from ecosight.errors import Unavailable
from ecosight.progress import NullProgress
from ecosight.state.jobs import WORKERS_LOST, Lease
from training.running import KIND, run_here
from training.trigger import check_trigger


def opened(folder: Path, template: Path | None = None) -> Project:
    return open_project(folder, template, retraining={"lease_seconds": 0.05, "min_new_samples": 6})


def begin(folder: Path, template: Path) -> str:
    project = opened(folder, template)
    project.accept(12)
    return project.jobs.enqueue(KIND, {"reason": "deadly"}, exclusive=True).id


def claimed(project: Project) -> Lease:
    while (lease := project.jobs.claim(f"worker {os.getpid()}", [KIND])) is None:
        time.sleep(0.02)
    assert lease.given_up is None
    return lease


def die_over_it(folder: Path, *, training: bool) -> None:
    child = os.fork()
    if child == 0:
        try:
            project = opened(folder)
            lease = claimed(project)
            if training:
                arm(project, "epoch")
                project.retrain(lease.job.id)
            die()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def left(folder: Path) -> dict:
    project = opened(folder)
    return {
        "jobs": [job.status for job in project.jobs.jobs(KIND)],
        "rows": [[row.reason, row.verdict, row.dataset] for row in project.parts.retrainings.history()],
        "runs": sorted([run.status, "ecosight.error" in run.tags] for run in project.runs()),
        "work": [path.name for path in project.parts.config.work_folder.glob("*")],
    }


def close(folder: Path) -> dict:
    """What the next who wants to train is told, and what becomes of their second try."""
    project, told = opened(folder), ""
    while not project.jobs.pending([KIND]):
        time.sleep(0.02)
    try:
        run_here(project.parts, project.jobs, {"reason": "next"}, progress=NullProgress())
    except Unavailable as error:
        told = error.message
    closed = left(folder)
    due, _ = check_trigger(project.parts.samples, project.parts.retrainings, 6)
    record = run_here(project.parts, project.jobs, {"reason": "next"}, progress=NullProgress())
    return {"told": told, "closed": closed, "due": due, "next": record.verdict}


if __name__ == "__main__":
    root, template = Path(sys.argv[1]), Path(sys.argv[2])
    in_child(lambda: begin(root, template), root / "answer")
    for number in range(WORKERS_LOST):
        die_over_it(root, training=number == 0)
    before = in_child(lambda: left(root), root / "answer")
    print(json.dumps({"before": before, "after": in_child(lambda: close(root), root / "answer")}))
