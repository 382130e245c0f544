"""kill -9 at random moments: nothing acknowledged is lost, nothing is doubled, the next start goes on."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from project_kit import TONES_HZ, Project, Server, clip, kill, write_clips

from ecosight.ids import content_digest

pytestmark = pytest.mark.slow


def rows(project: Project, database: str, query: str) -> list[tuple]:
    with sqlite3.connect(project.folder / "ecosight_data" / database) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_ingest_killed_eight_times_ends_with_every_recording_once(project: Project) -> None:
    rng = np.random.default_rng(1)
    count = write_clips(project.folder / "sounds", each=100)
    for _ in range(8):
        process = project.start("ingest", "sounds")
        time.sleep(rng.uniform(0.4, 2.5))
        kill(process)
    report = project.run("ingest", "sounds")
    assert report["accepted"] + report["duplicates"] == count
    assert report["refused"] == []
    shown = project.run("dataset", "show")
    assert sum(shown["class_counts"].values()) == count
    assert len(project.run("dataset", "log")) == 1
    for path in (project.folder / "sounds").rglob("*.wav"):
        digest = content_digest(path.read_bytes())
        stored = list((project.folder / "ecosight_data/blobs").rglob(digest))
        assert len(stored) == 1
        assert content_digest(stored[0].read_bytes()) == digest


def test_uploads_acknowledged_before_a_kill_are_there_after_it(project: Project, serve: Callable[[], Server]) -> None:
    rng = np.random.default_rng(2)
    (project.folder / "config.yaml").write_text(
        "retraining: {automatic: false}\ndataset: {augmentation: false}\n", "utf-8"
    )
    waiting = [(label, number) for number in range(60) for label in TONES_HZ]
    acknowledged: Counter[str] = Counter()
    for _ in range(6):
        server = serve()
        server.wait_until("/health/live")
        until = time.monotonic() + rng.uniform(0.2, 1.2)
        while waiting and time.monotonic() < until:
            label, number = waiting[0]
            acknowledged.update(upload(server, label, number))
            waiting.pop(0)
        kill(server.process)
    server = serve()
    server.wait_until("/health/live")
    for label, number in waiting:
        acknowledged.update(upload(server, label, number))
    assert len(acknowledged) == 60 * len(TONES_HZ)
    stored = {sample_id for (sample_id,) in rows(project, "ecosight.db", "select id from samples")}
    assert stored == set(acknowledged)


def upload(server: Server, label: str, number: int) -> list[str]:
    answer = server.http.post(
        "/upload", files={"file": (f"{number}.wav", clip(label, number))}, data={"class_name": label}
    )
    assert answer.status_code == 200, answer.text
    return [answer.json()["sample_id"]]


def test_training_killed_eight_times_ends_with_one_model_one_run_one_row(project: Project) -> None:
    rng = np.random.default_rng(3)
    write_clips(project.folder / "sounds", each=20)
    project.run("ingest", "sounds")
    for _ in range(8):
        process = project.start("train")
        time.sleep(rng.uniform(4, 22))
        kill(process)
        if project.run("retrain", "history"):  # its end is recorded: one more `train` would be one more training
            break
    (project.folder / "config.yaml").write_text(
        "retraining: {lease_seconds: 2, max_attempts: 20}\ndataset: {augmentation: false}\n", "utf-8"
    )
    if not project.run("retrain", "history"):
        project.run("train")
    history = project.run("retrain", "history")
    assert [record["verdict"] for record in history] == ["promoted"]
    versions = rows(project, "mlflow.db", "select version from model_versions")
    assert versions == [(1,)]
    done = "select run_uuid from runs where status = 'FINISHED' and lifecycle_stage = 'active'"
    assert rows(project, "mlflow.db", done) == [(history[0]["run_id"],)]
    doubled = "select key, step from metrics group by key, step, run_uuid having count(*) > 1"
    assert rows(project, "mlflow.db", doubled) == []
    champion = "select version from registered_model_aliases where alias = 'champion'"
    assert rows(project, "mlflow.db", champion) == [(1,)]


def test_register_killed_twelve_times_ends_with_one_version_one_run_one_champion(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(4)
    folder = servable_made_elsewhere(project, tmp_path_factory.mktemp("elsewhere"))
    write_clips(project.folder / "sounds", each=20)
    project.run("ingest", "sounds")
    told: list[str] = []
    for _ in range(12):
        process = project.start("register", str(folder), "--json")
        time.sleep(rng.uniform(1, 9))
        if process.poll() == 0:  # acknowledged; the storm goes on over what must not change any more
            assert process.stdout is not None
            told.append(json.load(process.stdout)["model_version"])
        kill(process)
    last = project.run("register", str(folder))
    assert {*told, last["model_version"]} == {"1"}
    assert last["verdict"] == "promoted"
    assert rows(project, "mlflow.db", "select version, current_stage from model_versions") == [(1, "Production")]
    [(run_id, status)] = rows(project, "mlflow.db", "select run_uuid, status from runs")
    assert status == "FINISHED"
    assert rows(project, "mlflow.db", "select source_run_id from logged_models") == [(run_id,)]
    assert rows(project, "mlflow.db", "select run_id from model_versions") == [(run_id,)]
    doubled = "select key, step from metrics group by key, step, run_uuid having count(*) > 1"
    assert rows(project, "mlflow.db", doubled) == []
    aliases = rows(project, "mlflow.db", "select alias, version from registered_model_aliases order by alias")
    assert aliases == [("challenger", 1), ("champion", 1)]
    assert project.run("evaluate", "--model", "champion")  # what the registry holds is whole


def servable_made_elsewhere(project: Project, folder: Path) -> Path:
    """The sealed folder of a model that another project trained."""
    (folder / "config.yaml").write_text((project.folder / "config.yaml").read_text("utf-8"), "utf-8")
    other = Project(folder)
    write_clips(folder / "sounds", each=20)
    other.run("ingest", "sounds")
    other.run("train")
    [description] = (folder / "ecosight_data/mlartifacts").rglob("servable.json")
    return description.parent


def test_a_server_killed_while_a_worker_trains_finds_the_new_model_afterwards(
    project: Project, serve: Callable[[], Server]
) -> None:
    write_clips(project.folder / "sounds", each=20)
    project.run("ingest", "sounds")
    server = serve()
    server.wait_until("/health/live")
    job_id = server.http.post("/retrain", json={"trigger_reason": "storm"}).json()["job_id"]
    time.sleep(3)
    kill(server.process)
    again = serve()
    again.wait_until("/health/ready")
    job = httpx.get(f"{again.http.base_url}/jobs/{job_id}", trust_env=False).json()
    assert job["status"] == "succeeded"
    assert len(project.run("retrain", "history")) == 1
