"""Retraining as it is called from Python."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from training_kit import Project, clip

from ecosight.errors import AlreadyRunning, InvalidInput, NotEnoughData
from ecosight.progress import NullProgress
from training.orchestrator import ModelRetrainingPipeline
from training.running import KIND, with_yamnet


def pipeline_of(project: Project) -> ModelRetrainingPipeline:
    return ModelRetrainingPipeline(parts=project.parts, jobs=project.jobs, progress=NullProgress())


def test_the_calls_of_the_documents_work_as_written(project):
    retraining_pipeline = pipeline_of(project)
    assert retraining_pipeline.check_retraining_trigger(100) == (False, 0)
    project.accept(12)
    yamnet_model = None

    should_retrain, new_count = retraining_pipeline.check_retraining_trigger(min_new_samples=100)
    assert (should_retrain, new_count) == (True, 36)  # the first training needs no threshold
    model, metrics = retraining_pipeline.retrain_model(yamnet_model, epochs=6)

    assert metrics["test_accuracy"] == project.runs()[0].metrics["test_accuracy"]
    assert {"test_macro_f1", "test_ece", "test_recall/low", "test_precision/high"} <= set(metrics)
    assert (metrics["verdict"], metrics["model_version"], metrics["epochs_trained"]) == ("promoted", "1", 6)
    assert metrics["sample_counts"] == {"high": 12, "low": 12, "middle": 12}
    probabilities = model.predict([model.prepare(clip("low", 500)), model.prepare(clip("high", 500))])
    assert [model.labels[index] for index in probabilities.argmax(axis=1)] == ["low", "high"]
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert retraining_pipeline.check_retraining_trigger(100) == (False, 0)
    project.accept(2, first=12)
    assert retraining_pipeline.check_retraining_trigger(min_new_samples=6) == (True, 6)
    assert retraining_pipeline.check_retraining_trigger() == (True, 6)  # configured: 6
    assert retraining_pipeline.check_retraining_trigger(7) == (False, 6)


def test_it_is_made_from_a_configuration_alone(project, tmp_path):
    project.accept(2)
    file = tmp_path / "config.yaml"
    file.write_text(f"project: {{root: {project.parts.config.root}}}\n", "utf-8")
    assert ModelRetrainingPipeline(file).check_retraining_trigger(100) == (True, 6)
    assert ModelRetrainingPipeline(project.parts.config).check_retraining_trigger(100) == (True, 6)


def test_only_one_retraining_runs_at_a_time(project):
    project.accept(12)
    job = project.jobs.enqueue(KIND, {"reason": "elsewhere"}, exclusive=True)
    assert project.jobs.claim("another worker", [KIND]) is not None
    with pytest.raises(AlreadyRunning) as caught:
        pipeline_of(project).retrain_model()
    assert caught.value.context["running_id"] == job.id


def test_a_training_left_behind_by_a_dead_process_is_gone_on_with(new_project):
    project = new_project(retraining={"lease_seconds": 0.2})
    project.accept(12)
    job = project.jobs.enqueue(KIND, {"reason": "begun elsewhere", "epochs": 3}, exclusive=True)
    lease = project.jobs.claim("a worker that dies", [KIND])
    while project.parts.clock.now() < lease.job.lease_until + timedelta(milliseconds=20):
        project.parts.clock.sleep(0.05)
    _, metrics = pipeline_of(project).retrain_model(epochs=8, reason="mine")
    assert (metrics["job_id"], metrics["epochs_trained"]) == (job.id, 3)
    assert project.jobs.get(job.id).status == "succeeded"


def test_what_goes_wrong_is_raised_as_it_was(project):
    project.accept(6, labels=("low",))
    with pytest.raises(NotEnoughData, match="only the class low"):
        pipeline_of(project).retrain_model()
    assert project.jobs.jobs(KIND)[0].status == "failed"


def test_yamnet_may_be_a_folder_or_a_loaded_model_and_gives_the_same_features(project, audio_data):
    import tensorflow as tf

    folder = audio_data / "yamnet" / "saved_model"
    by_folder = with_yamnet(project.parts, str(folder))
    loaded = with_yamnet(project.parts, tf.saved_model.load(str(folder)))
    assert by_folder.modality.embedder().name == loaded.modality.embedder().name == "yamnet"
    assert by_folder.modality.embedder().digest == loaded.modality.embedder().digest
    assert project.parts.modality.embedder().name == "logmel"  # nobody else's embedder was changed


@pytest.mark.parametrize("nonsense", [5, {"yamnet": 1}, len])
def test_what_is_no_yamnet_is_refused(project, nonsense):
    with pytest.raises(InvalidInput, match="yamnet_model must be"):
        with_yamnet(project.parts, nonsense)
