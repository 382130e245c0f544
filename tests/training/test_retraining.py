"""A retraining from accepted recordings to the verdict, on real stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rollout_kit import BEGAN, a_rollout
from training_kit import TONES_HZ, Project, clip, open_project

from ecosight.errors import Cancelled, NotEnoughData, Refused, Unavailable
from ecosight.progress import NullProgress
from modalities.sound import SoundModality
from training.trigger import check_trigger

POINTS = ("plan", "run begun", "epoch", "fitted", "compiled", "logged")
LATER_POINTS = ("registered", "challenger", "decided", "champion", "settled", "row")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, template) -> tuple[Project, object]:
    """A project after its first training; tests only look at it."""
    made = open_project(tmp_path_factory.mktemp("trained"), template, evaluation={"generate_plots": True})
    made.accept(12)
    return made, made.retrain("job_first")


def trigger(project: Project) -> tuple[bool, int]:
    return check_trigger(project.parts.samples, project.parts.retrainings, 6)


def champion(project: Project) -> str:
    return project.parts.registry.champion().version


def artifacts(project: Project, run_id: str) -> dict[str, Path]:
    """Files of a run, by their path in it."""
    folders = list((project.parts.config.root / "mlartifacts").rglob(f"{run_id}/artifacts"))
    return {str(path.relative_to(folders[0])): path for path in folders[0].rglob("*") if path.is_file()}


class StopAfter(NullProgress):
    def __init__(self, checkpoints: int) -> None:
        self.left = checkpoints

    def checkpoint(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped by the test")


def test_the_first_training_promotes_and_leaves_a_whole_row(trained):
    project, record = trained
    assert (record.verdict, record.model_version, record.dataset) == ("promoted", "1", "main@v1")
    assert record.sample_counts == dict.fromkeys(TONES_HZ, 12)
    assert (record.total_samples, record.new_samples, record.epochs_trained) == (36, 36, 8)
    assert record.accuracy >= 0.5
    assert record.duration_s > 0
    assert len(record.history["val_accuracy"]) == 8
    assert project.parts.retrainings.latest() == record
    assert champion(project) == "1"
    assert trigger(project) == (False, 0)


def test_the_run_holds_params_curves_figures_dataset_and_decisions(trained):
    project, record = trained
    (run,) = project.runs()
    assert run.run_id == record.run_id
    assert run.status == "FINISHED"
    assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"} <= set(run.metrics)
    assert {"test_accuracy", "test_macro_f1", "test_ece", "test_recall/low", "test_f1/high"} <= set(run.metrics)
    assert run.metrics["test_accuracy"] == record.accuracy
    assert run.params["embedder"] == "logmel"
    assert (run.params["seed"], run.params["dataset"]) == ("7", "main@v1")
    assert (run.params["augmentation_variants"], run.metrics["augmented_rows"]) == ("0", 0)
    assert run.tags["ecosight.verdict"] == "promoted"
    assert run.tags["ecosight.job_id"] == "job_first"
    files = artifacts(project, run.run_id)
    assert {"evaluation/report.json", "decisions/gate.json", "decisions/trigger.json"} <= set(files)
    assert any(name.startswith("figures/") for name in files)
    decision = json.loads(files["decisions/gate.json"].read_text())
    assert decision["decision"]["promote"] is True
    assert decision["champion"] is None


def test_the_version_is_tagged_with_the_verdict_and_carries_the_measured_bytes(trained):
    project, record = trained
    (version,) = project.versions()
    assert version.tags["ecosight.verdict"] == "promoted"
    assert set(version.aliases) >= {"champion", "challenger"}
    folder = project.parts.registry.fetch(version.ref)
    servable = project.parts.modality.load_servable(folder)
    assert servable.digest == version.ref.digest == record.model_digest
    facts = servable.info["facts"]
    assert facts["dataset"] == {
        "name": "main",
        "version": record.dataset_version,
        "digest": record.dataset_digest,
    }
    answer = servable.predict([servable.prepare(clip("high", 999))])[0]
    assert servable.labels[answer.argmax()] == "high"


def test_the_same_job_again_changes_nothing(trained):
    project, record = trained
    assert project.retrain("job_first") == record
    assert len(project.runs()) == len(project.versions()) == len(project.parts.retrainings.history()) == 1


def test_new_recordings_make_a_new_version_and_only_they_are_embedded(project):
    project.accept(10)
    project.retrain("job_1")
    project.accept(4, first=10)
    assert trigger(project) == (True, 12)

    class Counting(NullProgress):
        embedded = 0

        def task(self, name, total, unit):
            self.embedded += total if name == "embedding" else 0
            return super().task(name, total, unit)

    progress = Counting()
    record = project.retrain("job_2", progress=progress)
    parts = project.parts.datasets.get(record.dataset).part_counts
    before = project.parts.datasets.get("main@v1").part_counts
    assert (record.dataset, record.new_samples, record.total_samples) == ("main@v2", 12, 42)
    assert progress.embedded == parts["train"] + parts["val"] - before["train"] - before["val"]
    assert project.runs()[0].run_id == record.run_id
    assert "is not below the champion's" in "".join(record.reasons) or record.verdict == "rejected"


def test_a_worse_candidate_is_registered_but_the_champion_stays(project):
    project.accept(12)
    project.retrain("job_good")
    worse = replace(project, parts=replace(project.parts, config=_with_rate(project, 1e-9)))
    record = worse.retrain("job_bad", epochs=1)
    assert record.verdict == "rejected"
    assert any("fell" in reason for reason in record.reasons)
    assert (champion(project), project.parts.registry.alias("challenger").version) == ("1", "2")
    assert project.versions()[0].tags["ecosight.verdict"] == "rejected"
    assert trigger(project) == (False, 0)


def test_while_a_rollout_is_under_way_a_better_one_waits_as_challenger(project):
    """The end of the rollout moves the champion: one set between would be lost, or be what a rollback goes back to."""
    project.accept(12)
    project.retrain("job_1")
    lead = project.parts.registry.champion()
    rollout = a_rollout(champion=lead, candidates={"candidate": lead})
    project.parts.rollouts.add(rollout)
    project.accept(4, first=12)
    record = project.retrain("job_2")
    assert record.verdict == "rejected"
    assert rollout.id in record.reasons[0]
    assert (champion(project), project.parts.registry.alias("challenger").version) == ("1", "2")
    assert project.retrain("job_2") == record
    project.parts.rollouts.save(replace(rollout, state="aborted", finished_at=BEGAN), rollout.revision)
    project.accept(4, first=16)
    assert project.retrain("job_3").verdict == "promoted"


def test_below_the_required_accuracy_there_is_no_first_champion(project):
    project.accept(12)
    poor = replace(project, parts=replace(project.parts, config=_with_rate(project, 1e-9)))
    record = poor.retrain(epochs=1, min_accuracy=0.99)
    assert record.verdict == "rejected"
    assert project.parts.registry.champion() is None


def _with_rate(project: Project, rate: float):
    config = project.parts.config
    return config.model_copy(update={"training": config.training.model_copy(update={"learning_rate": rate})})


def test_too_little_data_is_told_and_does_not_trigger_for_ever(project):
    project.accept(6, labels=("low",))
    assert trigger(project) == (True, 6)
    with pytest.raises(NotEnoughData, match="only the class low"):
        project.retrain("job_1")
    record = project.parts.retrainings.latest()
    assert (record.verdict, record.total_samples, record.error["code"]) == ("failed", 6, "not_enough_data")
    assert trigger(project) == (False, 0)
    with pytest.raises(NotEnoughData, match="only the class low"):
        project.retrain("job_1")
    assert len(project.parts.retrainings.history()) == 1
    project.accept(12, labels=("middle", "high"))
    assert trigger(project) == (True, 24)
    assert project.retrain("job_2").verdict == "promoted"


def test_nothing_at_all_is_not_enough_data(project):
    assert trigger(project) == (False, 0)
    with pytest.raises(NotEnoughData):
        project.retrain()


class LyingSound(SoundModality):
    """Compiles a model whose parity check failed."""

    def compile_servable(self, **arguments):
        return replace(super().compile_servable(**arguments), passed=False, changed_labels=2)


def test_a_model_that_fails_parity_is_neither_registered_nor_forgotten(project):
    project.accept(12)
    lying = replace(project, parts=replace(project.parts, modality=LyingSound(project.parts.config)))
    with pytest.raises(Refused, match="differs from the trained one"):
        lying.retrain()
    assert project.versions() == []
    (run,) = project.runs()
    assert run.status == "FAILED"
    record = project.parts.retrainings.latest()
    assert record.verdict == "failed"
    assert record.error["context"]["parity"]["changed_labels"] == 2


def test_an_error_that_may_pass_leaves_a_row_only_when_nobody_tries_again(tmp_path, new_project):
    project = new_project(sound={"embedder": "yamnet", "yamnet_model": str(tmp_path / "nowhere")})
    project.accept(3)
    with pytest.raises(Unavailable, match="YAMNet is not available"):
        project.retrain(last_attempt=False)
    assert project.parts.retrainings.history() == []
    with pytest.raises(Unavailable):
        project.retrain()
    record = project.parts.retrainings.latest()
    assert (record.verdict, record.total_samples) == ("failed", 9)


def test_cancelled_it_leaves_no_row_and_goes_on_later(project):
    project.accept(12)
    with pytest.raises(Cancelled):
        project.retrain(progress=StopAfter(6))
    assert project.parts.retrainings.history() == []
    project.accept(4, first=12)  # what comes in between belongs to the next training
    record = project.retrain()
    assert (record.dataset, record.total_samples, record.verdict) == ("main@v1", 36, "promoted")
    assert len(project.runs()) == 1
    assert trigger(project) == (True, 12)


def test_mixed_precision_is_measured_in_the_precision_that_is_served(new_project):
    project = new_project(training={"mixed_precision": True, "gradient_accumulation": 2, "batch_size": 8})
    project.accept(12)
    record = project.retrain()
    assert record.verdict == "promoted"
    assert project.runs()[0].metrics["parity_max_probability_error"] < 1e-4


@pytest.mark.slow
def test_a_training_over_which_fifty_workers_died_is_told_and_leaves_nothing_behind(tmp_path, template):
    found = script("mortal_workers.py", tmp_path, template)
    (job_id,) = found["before"]["work"]
    assert found["before"] == {"jobs": ["running"], "rows": [], "runs": [["RUNNING", False]], "work": [job_id]}
    assert "50 workers died" in found["after"]["told"]
    assert found["after"]["closed"] == {
        "jobs": ["failed"],
        "rows": [["test", "failed", "main@v1"]],
        "runs": [["FAILED", True]],
        "work": [],
    }
    assert not found["after"]["due"]
    assert found["after"]["next"] == "promoted"


def interrupted(folder: Path, template: Path, *arguments: str) -> dict:
    return script("interrupted_retraining.py", folder, template, *arguments)


def script(name: str, folder: Path, template: Path, *arguments: str) -> dict:
    script = Path(__file__).with_name(name)
    ran = subprocess.run(
        [sys.executable, str(script), str(folder), str(template), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def check_as_if_never_killed(found: dict) -> None:
    whole, torn = found["whole"], found["torn"]
    ((job_id, verdict, model_version, run_id, dataset),) = torn["rows"]
    assert (job_id, verdict, model_version, dataset) == ("job_1", "promoted", "1", "main@v1")
    assert torn["runs"] == [[run_id, "FINISHED"]]
    assert torn["versions"] == [["1", run_id, ["challenger", "champion"]]]
    for same in ("history", "metrics", "probabilities", "datasets"):
        assert torn[same] == whole[same], same
    assert torn["work"] == []


@pytest.mark.parametrize(
    "points",
    [POINTS[2:4], pytest.param(("registered", "champion", "row"), marks=pytest.mark.slow)],
    ids="-".join,
)
def test_killed_at_a_step_and_run_again_it_is_as_if_never_killed(tmp_path, template, points):
    found = interrupted(tmp_path, template, "at", *points)
    assert found["killed"] == len(points)
    check_as_if_never_killed(found)


@pytest.mark.slow
def test_killed_at_every_step_and_run_again_it_is_as_if_never_killed(tmp_path, template):
    found = interrupted(tmp_path, template, "at", *POINTS, *LATER_POINTS)
    assert found["killed"] == len(POINTS) + len(LATER_POINTS)
    check_as_if_never_killed(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_it_is_as_if_never_killed(tmp_path, template, seed):
    check_as_if_never_killed(interrupted(tmp_path, template, "random", "10", str(seed)))
