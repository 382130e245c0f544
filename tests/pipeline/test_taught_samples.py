"""A trained model that is asked about what it was trained on: evaluate, compare, gates and register say so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training_kit import TONES_HZ, clip, open_project

from dataset.parting.resplitting import begin_set
from ecosight.artifact import DESCRIPTION_FILE, seal_artifact
from ecosight.errors import NotFound
from ecosight.progress import NullProgress
from evaluation.gates import replay_gate
from pipeline.assess import Assessment, assess, find_data
from pipeline.comparison import compare_models, result_of
from pipeline.enrol import enrol
from pipeline.error_review import review_errors
from pipeline.wiring import Workbench

QUIET = NullProgress()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A champion trained on main@v1, and a branch whose split is another draw of the same samples."""
    project = open_project(tmp_path_factory.mktemp("taught"), evaluation={"generate_plots": False})
    project.accept(12)
    record = project.retrain()
    assert record.verdict == "promoted", record.reasons
    with Workbench(project.parts.config) as opened:
        begin_set(opened.datasets, "other", version="v1", seed=99, overrides={"unsearched": "made by synthesis"})
        yield opened


def counted(bench: Workbench, data: str) -> tuple[int, int, int]:
    """Samples of these data, and how many of them are in the training and the validation part of main@v1."""
    asked = {entry.sample_id for entry in find_data(bench, data, QUIET).entries}
    parts = [{entry.sample_id for entry in bench.datasets.get("main@v1").part(name)} for name in ("train", "val")]
    return len(asked), len(asked & parts[0]), len(asked & parts[1])


def told_of(counts: tuple[int, int, int]) -> str:
    """The caveat about the training part."""
    verb = "was" if counts[1] == 1 else "were"
    return f"{counts[1]} of {counts[0]} samples, or others of their groups, {verb} in the training part of main@v1"


def evaluated(bench: Workbench, data: str, **more: Any) -> Assessment:
    return assess(bench, model="champion", data=data, progress=QUIET, **{"output": None, **more})


def only_taught(result: Assessment) -> list[str]:
    """Its caveats but those of the version itself."""
    return [caveat for caveat in result.report.caveats if not caveat.startswith("override of")]


def test_on_its_own_test_part_a_model_is_measured_without_a_caveat(bench: Workbench) -> None:
    for data in ("", "v1/test", "main@v1/test"):
        result = evaluated(bench, data, gates=True)
        assert only_taught(result) == []
        assert result.as_dict()["taught"] == {"n": result.report.n, "version": "main@v1", "train": 0, "val": 0}
        assert result.decision is not None
        assert result.decision.promote
        assert "unseen" not in [each.rule["kind"] for each in result.decision.verdicts]


def test_a_training_left_no_word_of_it_in_report_and_decision(bench: Workbench) -> None:
    (folder,) = (bench.config.root / "mlartifacts").rglob("decisions/gate.json")
    assert "taught" not in folder.read_text("utf-8")
    report = json.loads((folder.parent.parent / "evaluation" / "report.json").read_text("utf-8"))
    assert not any("training part" in caveat for caveat in report["caveats"])


def test_another_split_of_the_same_samples_is_told_in_text_in_json_and_on_the_page(
    bench: Workbench, tmp_path: Path
) -> None:
    counts = counted(bench, "other/test")
    assert 0 < counts[1] <= counts[0]
    result = evaluated(bench, "other/test", output=tmp_path / "out")
    (caveat,) = only_taught(result)
    assert caveat.startswith(told_of(counts))
    assert f"  ! {caveat}" in result.lines()
    plain = json.loads(json.dumps(result.as_dict()))
    assert plain["taught"] == {"n": counts[0], "version": "main@v1", "train": counts[1], "val": counts[2]}
    assert caveat in plain["report"]["caveats"]
    assert caveat in json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["caveats"]
    assert caveat in (tmp_path / "out" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(("part", "words"), [("train", "training part"), ("val", "validation part")])
def test_the_parts_that_it_learned_from_are_told(bench: Workbench, part: str, words: str) -> None:
    result = evaluated(bench, f"v1/{part}")
    (caveat,) = only_taught(result)
    n = len(bench.datasets.get("v1").part(part))
    assert caveat.startswith(f"{n} of {n} samples, or others of their groups, were in the {words} of main@v1")


def test_files_in_a_folder_are_recognised_by_their_bytes(bench: Workbench, tmp_path: Path) -> None:
    for label in TONES_HZ:
        (tmp_path / "clips" / label).mkdir(parents=True)
        for number in (*range(12), *range(100, 103)):  # the last three it has never heard
            (tmp_path / "clips" / label / f"renamed-{number}.wav").write_bytes(clip(label, number))
    counts = counted(bench, str(tmp_path / "clips"))
    assert counts[0] == 45
    (caveat,) = only_taught(evaluated(bench, str(tmp_path / "clips")))
    assert caveat.startswith(told_of(counts))
    for found in (tmp_path / "clips").rglob("renamed-?.wav"):
        found.unlink()
    for found in (tmp_path / "clips").rglob("renamed-1?.wav"):
        found.unlink()
    assert evaluated(bench, str(tmp_path / "clips")).report.caveats == ()


def test_the_gates_do_not_let_pass_what_was_measured_on_learned_samples(bench: Workbench, tmp_path: Path) -> None:
    result = evaluated(bench, "other/test", gates=True, output=tmp_path / "out")
    assert result.decision is not None
    assert not result.decision.promote
    assert result.decision.reasons[0].startswith(f"cannot say: {told_of(counted(bench, 'other/test'))}")
    stored = json.loads((tmp_path / "out" / "gate.json").read_text("utf-8"))
    assert replay_gate(stored["evidence"]).as_dict() == stored


def test_a_comparison_tells_of_each_model_what_it_learned(bench: Workbench, tmp_path: Path) -> None:
    clean = compare_models(bench, models=["champion", "1"], data="v1/test", correction="holm", progress=QUIET)
    assert not any("part of" in caveat for caveat in clean.caveats)
    stranger = made_elsewhere(bench, tmp_path / "stranger")
    found = compare_models(
        bench, models=["champion", str(stranger)], data="other/test", correction="holm", progress=QUIET
    )
    plain, lines = result_of(found, tmp_path / "out")
    about = [caveat for caveat in plain["caveats"] if not caveat.startswith("override of")]
    assert about[0].startswith(f"ecosight/1: {told_of(counted(bench, 'other/test'))}")
    assert about[
        1
    ] == f"{stranger}: what the model was trained on is not known here, so it may have learned from these " + (
        "samples"
    )
    assert all(f"  ! {caveat}" in lines for caveat in about)
    assert about[0] in (tmp_path / "out" / "comparison.html").read_text("utf-8")


def test_a_review_of_mistakes_judges_no_label_that_it_was_trained_on(bench: Workbench) -> None:
    told = review_errors(bench, model="champion", data="other/test", output=None, most=5, progress=QUIET)
    assert told.analysis.label_errors.trained_on == counted(bench, "other/test")[1]


def test_a_model_made_elsewhere_is_registered_and_its_record_says_what_is_not_known(
    bench: Workbench, tmp_path: Path
) -> None:
    folder = made_elsewhere(bench, tmp_path / "stranger")
    result = enrol(bench, folder, reason="from a friend", dry_run=True, progress=QUIET)
    assert result["verdict"] == "promoted"
    assert any("what the model was trained on is not known here" in reason for reason in result["reasons"])


def test_a_model_that_learned_from_the_newest_test_part_is_registered_and_not_promoted(
    bench: Workbench, tmp_path: Path
) -> None:
    """It was trained on the branch, whose training part holds samples of main's test part."""
    other = bench.datasets.get("other").ref
    facts = {"dataset": {"name": other.name, "version": other.version, "digest": other.digest}}
    folder = made_elsewhere(bench, tmp_path / "leaky", facts)
    result = enrol(bench, folder, reason="trained on the branch", dry_run=False, progress=QUIET)
    assert result["verdict"] == "rejected"
    assert "in the training part of main@other" in result["reasons"][0]
    reports = [path.read_text("utf-8") for path in (bench.config.root / "mlartifacts").rglob("evaluation/report.json")]
    assert any("in the training part of main@other" in report for report in reports)
    decisions = [json.loads(path.read_text("utf-8")) for path in bench.config.root.rglob("decisions/gate.json")]
    (kept,) = [each for each in decisions if "evidence" in each]
    assert replay_gate(kept["evidence"]).as_dict() == kept


@pytest.mark.parametrize("named", ["esc.csv", "ESC.CSV", "clips/dogs", "./clips", "../test", "/no/such/place"])
def test_a_file_that_is_not_there_is_not_taken_for_a_version(bench: Workbench, named: str) -> None:
    with pytest.raises(NotFound, match=f"there is no file or folder '{named}'"):
        find_data(bench, named, QUIET)


@pytest.mark.parametrize("named", ["v9", "v9/test", "nobody/train"])
def test_a_version_that_is_not_there_is_still_called_one(bench: Workbench, named: str) -> None:
    with pytest.raises(NotFound, match="the dataset 'main' has no version"):
        find_data(bench, named, QUIET)
    with pytest.raises(NotFound, match="there is no part 'tset'"):
        find_data(bench, "v1/tset", QUIET)


def made_elsewhere(bench: Workbench, folder: Path, facts: dict[str, Any] | None = None) -> Path:
    """The champion's graph as somebody else would seal it, with these facts or none."""
    ref = bench.registry.champion()
    assert ref is not None
    shutil.copytree(bench.registry.fetch(ref), folder)
    description = json.loads((folder / DESCRIPTION_FILE).read_text("utf-8"))
    (folder / DESCRIPTION_FILE).unlink()
    kept = {name: value for name, value in description.items() if name not in ("files", "digest", "facts", "format")}
    seal_artifact(folder, kept | {"facts": facts or {}})
    return folder
