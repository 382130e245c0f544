"""What a run records, and that a run taken up again records it once."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

import mlflow_integration.tracker
from ecosight.errors import Cancelled, Conflict, InvalidInput, NotFound, Unavailable
from ecosight.values import DatasetRef
from mlflow_integration.connection import Connection
from mlflow_integration.tracker import ExperimentManager, MLflowTracker, ModelRegistry


@pytest.fixture
def tracker(store: str) -> MLflowTracker:
    return MLflowTracker(store, "sounds")


def history(store: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    with Connection(store).talking() as client:
        return [(point.step, point.value) for point in client.get_metric_history(run_id, metric)]


def recorded(store: str, run_id: str):
    with Connection(store).talking() as client:
        return client.get_run(run_id)


def read_artifact(store: str, run_id: str, name: str, folder: Path) -> str:
    with Connection(store).talking() as client:
        return Path(client.download_artifacts(run_id, name, str(folder))).read_text("utf-8")


def test_the_face_has_the_promised_names() -> None:
    promised = {"MLflowTracker", "ExperimentManager", "ModelRegistry", "ArtifactLogger", "MetricsLogger"}
    assert set(mlflow_integration.tracker.__all__) == promised


def test_the_documented_usage_runs(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("yolov8n.pt").write_bytes(b"some weights")
    train_loss, val_map = 0.25, 0.5
    tracker = MLflowTracker(tracking_uri=store, experiment_name="yolov8_training")

    with tracker.start_run(run_name="yolov8n_v1") as run:
        tracker.log_params({"learning_rate": 0.001, "batch_size": 64, "epochs": 100})
        for epoch in range(100):
            tracker.log_metrics({"train_loss": train_loss, "val_map": val_map}, step=epoch)
        tracker.log_model(model_path="yolov8n.pt", artifact_path="model")

    ref = tracker.register_model(model_uri=f"runs:/{run.run_id}/model", model_name="yolov8n", stage="staging")

    (summary,) = tracker.experiments.runs("yolov8_training")
    assert (summary.name, summary.status) == ("yolov8n_v1", "FINISHED")
    assert summary.params == {"learning_rate": "0.001", "batch_size": "64", "epochs": "100"}
    assert len(history(store, run.run_id, "val_map")) == 100
    (version,) = ModelRegistry(store, "yolov8n").versions()
    assert (version.ref, version.aliases, version.stage) == (ref, ("challenger",), "Staging")
    with Connection(store).talking() as client:
        assert client.get_model_version_download_uri("yolov8n", "1").endswith(f"{run.run_id}/artifacts/model")
    again = tracker.register_model(model_uri=f"runs:/{run.run_id}/model", model_name="yolov8n", stage="staging")
    assert again == ref, "the same files are the same version"


def test_a_servable_folder_is_logged_and_registered_by_the_same_calls(store: str, servable: Path) -> None:
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run():
        uri = tracker.log_model(model_path=servable, artifact_path="model")
    ref = tracker.register_model(model_uri=uri, model_name="sound", stage="Production")
    assert ref.digest
    assert ModelRegistry(store, "sound").champion() == ref
    assert tracker.register_model(model_uri=uri, model_name="sound") == ref


def test_a_model_logged_with_mlflows_own_calls_is_registered_once_too(store: str, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}")
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run() as run, Connection(store).talking() as client:
        model = client.create_logged_model(run.experiment_id, name="theirs", source_run_id=run.run_id)
        client.log_model_artifact(model.model_id, str(tmp_path / "MLmodel"))
        client.finalize_logged_model(model.model_id, "READY")
    for _ in range(2):
        ref = tracker.register_model(f"runs:/{run.run_id}/theirs", "theirs")
        assert (ref.version, ref.digest) == ("1", "")


def test_the_face_runs_as_a_script(store: str, servable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run("a training") as run:
        tracker.log_metrics({"loss": 0.25})
        uri = tracker.log_model(servable)
    tracker.register_model(uri, "sounds", stage="production")
    assert mlflow_integration.tracker.main(["--tracking-uri", store, "--experiment", "sounds"]) == 0
    shown = capsys.readouterr().out
    assert f"{run.run_id} a training loss=0.25" in shown
    assert "sounds/1 champion" in shown
    assert mlflow_integration.tracker.main(["--tracking-uri", "http://127.0.0.1:9"]) == 6
    assert "nobody listens there" in capsys.readouterr().err


def test_registering_what_is_not_there_is_told(tracker: MLflowTracker) -> None:
    with tracker.start_run() as run:
        pass
    with pytest.raises(NotFound, match="nothing under"):
        tracker.register_model(f"runs:/{run.run_id}/model", "sound")
    with pytest.raises(NotFound):
        tracker.register_model("runs:/abc123/model", "sound")
    with pytest.raises(InvalidInput, match="names no model of a run"):
        tracker.register_model("yolov8n.pt", "sound")
    with pytest.raises(InvalidInput) as told:
        tracker.register_model(f"runs:/{run.run_id}/model", "sound", stage="live")
    assert "production" in told.value.hint


def test_more_values_than_a_batch_takes_are_all_recorded(tracker: MLflowTracker, store: str) -> None:
    with tracker.start_run() as run:
        tracker.log_params({f"setting_{index}": index for index in range(250)})
        tracker.log_history({"loss": [float(step) for step in range(2500)]})
    assert len(recorded(store, run.run_id).data.params) == 250
    assert history(store, run.run_id, "loss") == [(step, float(step)) for step in range(2500)]


def test_a_long_parameter_is_cut_and_kept_in_full_as_a_file(tracker: MLflowTracker, store: str, tmp_path: Path) -> None:
    text = "x" * 10_000
    with tracker.start_run() as run:
        tracker.log_params({"notes": text, "layers": [512, 256], "options": {"a": None}})
        tracker.log_params({"notes": text})
    params = recorded(store, run.run_id).data.params
    assert len(params["notes"]) == 6000
    assert (params["layers"], params["options"]) == ("[512, 256]", '{"a": null}')
    assert json.loads(read_artifact(store, run.run_id, "params_in_full.json", tmp_path)) == {"notes": text}


def test_a_value_that_is_not_finite_is_kept_as_such_and_named(tracker: MLflowTracker, store: str) -> None:
    with tracker.start_run() as run:
        tracker.log_history({"loss": [1.0, math.nan, math.inf, None, -math.inf, 2.0]})
    points = history(store, run.run_id, "loss")
    assert [step for step, _ in points] == [0, 1, 2, 4, 5], "a step without a value is left out"
    assert [math.isnan(value) for _, value in points] == [False, True, True, True, False]
    assert json.loads(recorded(store, run.run_id).data.tags["ecosight.infinite_metrics"]) == [
        {"metric": "loss", "step": 2, "value": "inf"},
        {"metric": "loss", "step": 4, "value": "-inf"},
    ]


def test_names_that_mlflow_refuses_are_made_acceptable(tracker: MLflowTracker, store: str) -> None:
    with tracker.start_run() as run:
        tracker.log_metrics({"recall/dog (small)": 0.5, "../escape": 1.0, "précision": 1.0})
    assert set(recorded(store, run.run_id).data.metrics) == {"recall/dog _small_", "escape", "précision"}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"loss": "low", "accuracy": None}, "loss='low'"),
        ({"a(b": 1.0, "a)b": 2.0}, "same name"),
        ({"": 1.0}, "cannot name"),
        ({"x" * 251: 1.0}, "cannot name"),
    ],
)
def test_unusable_metrics_are_refused_whole(
    tracker: MLflowTracker, store: str, metrics: dict[str, object], said: str
) -> None:
    with tracker.start_run() as run, pytest.raises(InvalidInput, match=said):
        tracker.log_metrics({"good": 1.0} | metrics)
    assert recorded(store, run.run_id).data.metrics == {}


def test_a_parameter_never_changes_within_a_run(tracker: MLflowTracker) -> None:
    with tracker.start_run(tags={"ecosight.job_id": "job_1"}):
        tracker.log_params({"epochs": 5, "seed": 0})
    with tracker.start_run(tags={"ecosight.job_id": "job_1"}):
        tracker.log_params({"epochs": 5, "seed": 0})
        with pytest.raises(Conflict, match="epochs: '5', now '6'"):
            tracker.log_params({"epochs": 6})


def test_a_job_has_one_run_and_each_step_once(tracker: MLflowTracker, store: str) -> None:
    tags = {"ecosight.job_id": "job_1", "reason": "schedule"}
    with tracker.start_run("first", tags=tags) as first:
        tracker.log_history({"loss": [3.0, math.nan]})
        tracker.log_metrics({"accuracy": 0.9})
    with tracker.start_run("second", tags=tags) as second:
        tracker.log_history({"loss": [3.0, math.nan, 1.0]})
        tracker.log_metrics({"accuracy": 0.9})
        tracker.log_metrics({"accuracy": 0.9})
    assert (second.run_id, second.resumed, first.resumed) == (first.run_id, True, False)
    assert Counter(step for step, _ in history(store, first.run_id, "loss")) == {0: 1, 1: 1, 2: 1}
    assert history(store, first.run_id, "accuracy") == [(0, 0.9)]
    with tracker.start_run(tags={"ecosight.job_id": "job_2"}) as other:
        pass
    assert other.run_id != first.run_id


def test_a_resumed_run_keeps_its_first_values_and_says_so(
    tracker: MLflowTracker, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (0.5, 0.6):
        with tracker.start_run(tags={"ecosight.job_id": "job_1"}) as run:
            tracker.log_metrics({"accuracy": value})
    assert history(store, run.run_id, "accuracy") == [(0, 0.5)]
    shown = capsys.readouterr()
    assert "the first ones stay" in shown.out + shown.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("no such layer"), "FAILED", "ValueError: no such layer"),
        (Cancelled("stopped"), "KILLED", "cancelled: stopped"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt: "),
    ],
)
def test_a_run_that_breaks_off_says_how(
    tracker: MLflowTracker, store: str, error: BaseException, status: str, said: str
) -> None:
    tags = {"ecosight.job_id": "job_1"}
    with pytest.raises(type(error)), tracker.start_run(tags=tags) as run:
        raise error
    broken = recorded(store, run.run_id)
    assert (broken.info.status, broken.data.tags["ecosight.error"]) == (status, said)
    with tracker.start_run(tags=tags):
        assert recorded(store, run.run_id).info.status == "RUNNING"
    mended = recorded(store, run.run_id)
    assert mended.info.status == "FINISHED"
    assert "ecosight.error" not in mended.data.tags


def test_one_run_at_a_time(tracker: MLflowTracker) -> None:
    with pytest.raises(Conflict, match="no run is open"):
        tracker.log_params({"a": 1})
    with tracker.start_run(), pytest.raises(Conflict, match="still open"):
        tracker.start_run()
    tracker.start_run()
    tracker.end_run("KILLED")
    with tracker.start_run():
        pass


def test_the_run_of_a_dead_job_is_closed_and_a_closed_one_stays_as_it_is(tracker: MLflowTracker, store: str) -> None:
    died, finished = MLflowTracker(store, "sounds"), MLflowTracker(store, "sounds")
    left_open = died.start_run(tags={"ecosight.job_id": "job_died"})
    with finished.start_run(tags={"ecosight.job_id": "job_finished"}) as whole:
        pass
    for job_id in ("job_died", "job_finished", "job_without_a_run"):
        tracker.fail_run_of_job(job_id, Unavailable("50 workers died"))
    closed = recorded(store, left_open.run_id)
    assert (closed.info.status, closed.data.tags["ecosight.error"]) == ("FAILED", "unavailable: 50 workers died")
    assert recorded(store, whole.run_id).info.status == "FINISHED"
    assert "ecosight.error" not in recorded(store, whole.run_id).data.tags
    assert len(tracker.experiments.runs("sounds")) == 2


def test_a_run_can_be_taken_up_by_its_id(tracker: MLflowTracker) -> None:
    with tracker.start_run() as first:
        tracker.log_metrics({"loss": 1.0}, step=0)
    with tracker.start_run(run_id=first.run_id) as second:
        tracker.log_metrics({"loss": 0.5}, step=1)
    assert second.run_id == first.run_id
    with pytest.raises(NotFound):
        tracker.start_run(run_id="0" * 32)


def test_the_dataset_version_is_an_input_of_the_run(tracker: MLflowTracker, store: str) -> None:
    ref = DatasetRef(name="main", version=3, digest="5" * 64)
    with tracker.start_run() as run:
        for _ in range(2):
            tracker.log_dataset(ref, {"dog": 3, "gun": 2}, {"train": {"dog": 2, "gun": 1}, "val": 1, "test": 1})
    inputs = {each.dataset.name: each for each in recorded(store, run.run_id).inputs.dataset_inputs}
    assert set(inputs) == {"main/train", "main/val", "main/test"}
    train = inputs["main/train"]
    assert train.dataset.digest == ref.digest[:36]
    assert json.loads(train.dataset.source)["digest"] == ref.digest
    assert json.loads(train.dataset.profile)["class_counts"] == {"dog": 2, "gun": 1}
    tags = {tag.key: tag.value for tag in train.tags}
    assert tags == {"mlflow.data.context": "training", "ecosight.dataset": "main@v3", "ecosight.samples": "3"}
    assert {tag.value for tag in inputs["main/val"].tags} == {"validation", "main@v3", "1"}


def test_environment_figures_and_reports_lie_with_the_run(tracker: MLflowTracker, store: str, tmp_path: Path) -> None:
    (tmp_path / "confusion.png").write_bytes(b"\x89PNG")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "notes.txt").write_text("notes")
    with tracker.start_run() as run:
        tracker.log_environment(seed=0)
        tracker.log_figures([tmp_path / "confusion.png"])
        tracker.log_json({"accuracy": 0.9}, "evaluation/report.json")
        tracker.log_artifacts([tmp_path / "extra"], "more")
        with pytest.raises(InvalidInput, match=r"nothing\.png"):
            tracker.log_figures([tmp_path / "nothing.png"])
    with Connection(store).talking() as client:
        kept = {
            file.path
            for folder in ("figures", "evaluation", "environment", "more/extra")
            for file in client.list_artifacts(run.run_id, folder)
        }
    assert kept == {
        "figures/confusion.png",
        "evaluation/report.json",
        "environment/environment.json",
        "environment/requirements.txt",
        "more/extra/notes.txt",
    }
    tags = recorded(store, run.run_id).data.tags
    assert tags["ecosight.seed"] == "0"
    assert tags["ecosight.git_commit"] == tags.get("mlflow.source.git.commit", "unknown")


def test_each_experiment_keeps_its_files_in_its_own_folder(store: str, tmp_path: Path) -> None:
    root = tmp_path / "some files"
    for name in ("one", "two / three"):
        tracker = MLflowTracker(store, name, artifact_location=str(root))
        with tracker.start_run():
            tracker.log_json({}, "empty.json")
    assert sorted(path.name for path in root.iterdir()) == ["one", "two___three"]
    assert ExperimentManager(store).names() == ["Default", "one", "two / three"]


def test_an_object_store_can_hold_the_files(store: str) -> None:
    manager = ExperimentManager(store, artifact_location="s3://bucket/mlflow/")
    manager.ensure("sounds")
    with Connection(store).talking() as client:
        assert client.get_experiment_by_name("sounds").artifact_location == "s3://bucket/mlflow/sounds"


def test_a_deleted_experiment_says_how_to_get_it_back(store: str) -> None:
    manager = ExperimentManager(store)
    found = manager.ensure("sounds")
    assert manager.ensure("sounds") == found
    with Connection(store).talking() as client:
        client.delete_experiment(found)
    with pytest.raises(Conflict) as told:
        manager.ensure("sounds")
    assert f"restore -x {found}" in told.value.hint
