from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecosight.artifact import seal_artifact
from ecosight.config import Config, load_config
from ecosight.errors import Cancelled, InvalidInput, NotEnoughData, NotFound, UnreadableMedia
from ecosight.progress import NullProgress
from evaluation import evaluator as face
from evaluation.evaluator import ModelEvaluator, Visualizer
from evaluation.report import read_report
from pipeline.wiring import open_workbench

ROOT = Path(__file__).parents[2]
Make = Callable[..., Any]


def evaluator(servable: Any, entries: Any, blobs: Any) -> ModelEvaluator:
    return ModelEvaluator(servable, entries, blobs, bootstrap_samples=100, seed=7)


def test_a_model_is_measured_from_the_raw_bytes(make_servable: Make, put: Make, blobs: Any) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, f"g{n}") for n in range(60)]
    entries += [put("owl", {"fox": 0.6, "owl": 0.4}, f"h{n}") for n in range(20)]
    servable = make_servable(["owl", "fox"])  # the model's order of labels is its own
    report = evaluator(servable, entries, blobs).evaluate()
    assert report.labels == ("fox", "owl")
    assert (report.n, report.accuracy.value) == (80, 0.75)
    assert report.confusion == ((60, 0), (20, 0))
    assert report.model_digest == servable.digest
    assert servable.batches == [32, 32, 16]


def test_the_order_of_the_entries_changes_nothing(make_servable: Make, put: Make, blobs: Any) -> None:
    entries = [put("fox", {"fox": n / 40, "owl": 1 - n / 40}, f"g{n % 9}") for n in range(40)]
    there, back = (evaluator(make_servable(["fox", "owl"]), each, blobs) for each in (entries, entries[::-1]))
    assert there.evaluate() == back.evaluate()


def test_what_the_model_does_not_know_counts_as_wrong(make_servable: Make, put: Make, blobs: Any) -> None:
    entries = [put("fox", {"fox": 1.0}, "a"), put("newcomer", {"fox": 1.0}, "b")]
    report = evaluator(make_servable(["fox"]), entries, blobs).evaluate()
    assert report.labels == ("fox", "newcomer")
    assert report.known_labels == ("fox",)
    assert report.per_class["newcomer"].recall.value == 0.0


def test_two_models_on_one_part_are_comparable_and_on_another_are_not(
    make_servable: Make, put: Make, blobs: Any
) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, "a"), put("owl", {"fox": 0.2, "owl": 0.8}, "b")]
    first = evaluator(make_servable(["fox", "owl"]), entries, blobs).evaluate()
    assert evaluator(make_servable(["fox", "owl", "bat"]), entries, blobs).evaluate().test_digest == first.test_digest
    assert evaluator(make_servable(["fox", "owl"]), entries[:1], blobs).evaluate().test_digest != first.test_digest


def test_a_sample_that_cannot_be_read_is_named(make_servable: Make, put: Make, blobs: Any) -> None:
    good = put("fox", {"fox": 1.0}, "a", "good.json")
    bad = type(good)(blobs.put(b"\x00"), "fox", "b", "night 3.json")
    with pytest.raises(UnreadableMedia, match=r"sample [0-9a-f]{12} \(night 3\.json\) cannot be read: the file"):
        evaluator(make_servable(["fox"]), [good, bad], blobs).evaluate()
    blobs.delete(good.sample_id)
    with pytest.raises(NotFound) as caught:
        evaluator(make_servable(["fox"]), [good], blobs).evaluate()
    assert caught.value.context["sample_id"] == good.sample_id


def test_an_empty_test_part_is_not_enough(make_servable: Make, blobs: Any) -> None:
    with pytest.raises(NotEnoughData):
        evaluator(make_servable(["fox"]), [], blobs).evaluate()


def test_it_can_be_stopped_between_batches(make_servable: Make, put: Make, blobs: Any) -> None:
    class Stop(NullProgress):
        done = 0

        @contextmanager
        def task(self, name: str, total: int, unit: str) -> Any:
            yield self

        def advance(self, units: int = 1, **figures: Any) -> None:
            self.done += units

        def checkpoint(self) -> None:
            raise Cancelled("stopped")

    progress = Stop()
    entries = [put("fox", {"fox": 1.0}, f"g{n}") for n in range(70)]
    with pytest.raises(Cancelled):
        evaluator(make_servable(["fox"]), entries, blobs).evaluate(progress)
    assert progress.done == 32


def test_the_visualizer_writes_report_and_figures(make_servable: Make, put: Make, blobs: Any, tmp_path: Path) -> None:
    report = evaluator(make_servable(["fox"]), [put("fox", {"fox": 1.0}, "a")], blobs).evaluate()
    files = Visualizer(tmp_path / "out").write(report, history={"loss": [1.0, 0.5]})
    assert len(files) == 9
    assert files[-1].name == "report.html"
    assert read_report(files[0]) == report


def test_what_is_missing_is_asked_for(make_servable: Make, blobs: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no model was given"):
        ModelEvaluator(entries=[], blobs=blobs)
    with pytest.raises(InvalidInput, match="no test data was given"):
        ModelEvaluator(make_servable(["fox"]))
    with pytest.raises(NotFound, match="no model folder"):
        ModelEvaluator(model_path=tmp_path / "model_v2.pt", entries=[], blobs=blobs)


TOY = '''
"""A modality that another package brings: files that say their probabilities."""
import json
import numpy as np
from ecosight.artifact import open_artifact
from ecosight.errors import UnreadableMedia
from ecosight.values import MediaInfo

class Toy:
    name, extensions = "toy", frozenset({".json"})

    def __init__(self, config):
        pass

    def inspect(self, data):
        json.loads(data)
        return MediaInfo(media_type="application/json", size_bytes=len(data))

    def load_servable(self, folder, *, engine="default"):
        return Model(open_artifact(folder))

class Model:
    engine = "toy"

    def __init__(self, info):
        self.info, self.labels, self.digest = info, tuple(info["labels"]), info["digest"]

    def prepare(self, data):
        said = json.loads(data)
        return [said[label] for label in self.labels]

    def predict(self, prepared):
        return np.array(prepared, np.float32)
'''


@pytest.fixture
def toy_plugin(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which a package with the modality ``toy`` is installed."""
    package = tmp_path / "installed"
    (package / "toy-1.0.dist-info").mkdir(parents=True)
    (package / "toy_modality.py").write_text(TOY)
    (package / "toy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (package / "toy-1.0.dist-info" / "entry_points.txt").write_text("[ecosight.modalities]\ntoy = toy_modality:Toy\n")
    root = {"ECOSIGHT__PROJECT__MODALITY": "toy", "ECOSIGHT__PROJECT__ROOT": str(tmp_path / "project")}
    return {**os.environ, "PYTHONPATH": str(package), **root}


def test_the_script_measures_a_folder_on_a_named_version(toy_plugin: dict[str, str], tmp_path: Path) -> None:
    for label, said in (("fox", {"fox": 0.9, "owl": 0.1}), ("owl", {"fox": 0.7, "owl": 0.3})):
        (tmp_path / "data" / label).mkdir(parents=True)
        for n in range(10):
            (tmp_path / "data" / label / f"{n}.json").write_text(json.dumps(said | {"n": n}))
    (tmp_path / "model").mkdir()
    seal_artifact(tmp_path / "model", {"labels": ["fox", "owl"]})

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=toy_plugin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(str(ROOT / "dataset" / "manager.py"), "--create-version", "v1.0.0", "--add-data", "./data")
    evaluate = (str(ROOT / "evaluation" / "evaluator.py"), "--model", "./model", "--output", "./out")
    shown = run(*evaluate, "--test-data", "v1.0.0/test", "--metrics", "accuracy,precision,recall")
    assert shown.splitlines()[0].startswith("accuracy   0.500 [")
    assert "wrote out/confusion.png" in shown
    told = json.loads(run(*evaluate[:3], "--test-data", "main@v1/train", "--metrics", "accuracy", "--json"))
    assert told["metrics"]["accuracy"]["value"] == 0.5
    assert told["report"]["n"] == 14
    with open_workbench(load_config(project={"root": str(tmp_path / "project")})) as bench:
        ref = bench.datasets.get("v1.0.0").ref
    named = {"name": ref.name, "version": ref.version, "digest": ref.digest}
    seal_artifact(tmp_path / "model", {"labels": ["fox", "owl"], "facts": {"dataset": named}})
    shown = run(*evaluate, "--test-data", "v1.0.0/train")
    assert "  ! 14 of 14 samples, or others of their groups, were in the training part of main@v1\n" in shown
    assert "part of main@v1" not in run(*evaluate, "--test-data", "v1.0.0/test")


def test_registered_models_are_compared_by_their_names(
    make_servable: Make, put: Make, blobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, f"g{n}") for n in range(8)]
    asked: list[str] = []

    def fetch(_: Config, name: str) -> Path:
        asked.append(name)
        return tmp_path

    monkeypatch.setattr(
        face, "load_plugin", lambda family, name: {("ecosight.models", "registered"): fetch}[family, name]
    )
    monkeypatch.setattr(
        face, "open_modality", lambda _: SimpleNamespace(load_servable=lambda _: make_servable(["fox", "owl"]))
    )
    made = ModelEvaluator(model_path="champion", entries=entries, blobs=blobs, bootstrap_samples=100)
    assert made.evaluate().accuracy.value == 1.0
    assert made.compare_models(["1", "models:/m/2"]).n == 8
    assert asked == ["champion", "1", "models:/m/2"]


def test_the_script_fails_with_a_sentence_and_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evaluation.script import main

    assert main(["--model", str(tmp_path / "model_v2.pt"), "--test-data", "v1/test", "--metrics", "mapp"]) == 3
    assert main(["--model", str(tmp_path / "model_v2.pt"), "--test-data", "v1/test"]) == 4
    told = capsys.readouterr().err
    assert "error: there is no metric 'mapp'\nhint: " in told
    assert "error: there is no model folder" in told


@pytest.mark.parametrize("room", ["dataset", "evaluation"])
def test_no_module_hides_another_when_a_file_here_runs_as_a_script(room: str) -> None:
    from importlib.metadata import packages_distributions

    names = {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"}
    assert not names & (sys.stdlib_module_names | packages_distributions().keys())
