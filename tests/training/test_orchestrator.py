"""The face of training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from training_kit import Project, open_project

import training.orchestrator as face
from ecosight.errors import InvalidInput, NotFound, Unavailable
from ecosight.progress import NullProgress
from training.orchestrator import ModelRetrainingPipeline, TrainingOrchestrator, main


def orchestrator_of(project: Project, *arguments, **options) -> TrainingOrchestrator:
    pipeline = ModelRetrainingPipeline(parts=project.parts, jobs=project.jobs, progress=NullProgress())
    return TrainingOrchestrator(*arguments, **options, pipeline=pipeline, progress=NullProgress())


@pytest.fixture(scope="module")
def project(tmp_path_factory, template) -> Project:
    """One project whose trainings all go on the same two dataset versions."""
    made = open_project(tmp_path_factory.mktemp("orchestrated"), template)
    made.accept(10)
    first = made.parts.datasets.commit(made.parts.samples.all(), message="first")
    made.parts.datasets.tags.create("v1.0.0", description="first", splits=first.ratios, version=first.ref.digest)
    made.accept(4, first=10)
    return made


def test_the_face_holds_what_is_promised():
    assert set(face.__all__) == {
        "CheckpointManager",
        "EarlyStopping",
        "LearningRateScheduler",
        "ModelRetrainingPipeline",
        "TrainingJob",
        "TrainingOrchestrator",
    }


def test_importing_the_face_loads_neither_tensorflow_nor_mlflow():
    code = (
        "import sys, training.orchestrator; print([m for m in ('tensorflow', 'keras', 'mlflow') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_it_trains_as_the_documents_show_on_the_version_that_is_named(project):
    orchestrator = orchestrator_of(project, num_gpus=0, mixed_precision=False, gradient_accumulation=2)
    config = {
        "model": "ecosight",
        "dataset": "v1.0.0",
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.01,
        "optimizer": "adamw",
        "scheduler": "cosine",
    }
    run = orchestrator.train(config)
    assert (run.record.dataset, run.record.total_samples) == ("main@v1", 30)
    params = project.runs()[0].params
    assert run.run_id == project.runs()[0].run_id
    assert (params["optimizer"], params["scheduler"], params["batch_size"]) == ("adamw", "cosine", "8")
    assert params["gradient_accumulation"] == "2"
    assert run.metrics["test_accuracy"] == run.record.accuracy
    assert run.verdict in ("promoted", "rejected")
    rates = run.record.history["learning_rate"]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.01


def test_without_a_version_it_trains_on_all_accepted_samples(project):
    run = orchestrator_of(project).train({"epochs": 2})
    assert (run.record.dataset, run.record.total_samples) == ("main@v2", 42)


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({"model": "yolov8n"}, InvalidInput, "does not train a model 'yolov8n'"),
        ({"learning_rat": 1}, InvalidInput, "no training setting 'learning_rat'"),
        ({"epochs": 0}, InvalidInput, "epochs"),
        ({"optimizer": "lion"}, InvalidInput, "optimizer"),
        ({"dataset": "v9.9.9"}, NotFound, "v9.9.9"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_is_queued(project, config, kind, message):
    before = len(project.jobs.jobs())
    with pytest.raises(kind, match=message):
        orchestrator_of(project).train(config)
    assert len(project.jobs.jobs()) == before


def test_more_gpus_than_there_are_is_told_before_anything_is_queued(project):
    before = len(project.jobs.jobs())
    with pytest.raises(Unavailable, match="64 GPUs are asked for"):
        orchestrator_of(project, num_gpus=64, mixed_precision=True, gradient_accumulation=4).train({})
    assert len(project.jobs.jobs()) == before


def test_as_a_script_it_says_in_json_what_is_wrong(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(f"project: {{root: {tmp_path / 'root'}}}\n", "utf-8")
    code = main(["--config", str(tmp_path / "config.yaml"), "--dataset", "v1.1.0", "--gpus", "0", "--json"])
    error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
    assert code == 4
    assert error["code"] == "not_found"


def test_it_runs_as_a_script_by_its_path():
    script = Path(face.__file__)
    ran = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert all(option in ran.stdout for option in ("--config", "--dataset", "--gpus"))
