from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset.manager import DatasetManager, open_part
from dataset.parting.copies import Unsearched
from ecosight.config import load_config
from ecosight.errors import Conflict, InvalidInput, NotFound

SPLITS = {"train": 0.7, "val": 0.2, "test": 0.1}
FACE = Path(__file__).parents[2] / "dataset" / "manager.py"


def write_sounds(folder: Path, labels: dict[str, int], *, seed: int = 0) -> list[Path]:
    """Real WAV files of 0.2 s, each another noise: ``folder/<label>/<n>.wav``."""
    import soundfile

    dice, paths = np.random.default_rng(seed), []
    for label, count in labels.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            paths.append(folder / label / f"{n}.wav")
            soundfile.write(paths[-1], dice.normal(0, 0.1, 3200).astype(np.float32), 16000)
    return paths


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetManager]:
    monkeypatch.chdir(tmp_path)
    with DatasetManager(base_path="./datasets") as made:
        yield made


def test_a_named_version_is_created_filled_and_found(manager: DatasetManager, tmp_path: Path) -> None:
    version = manager.create_version(name="v1.0.0", description="Initial dataset", splits=SPLITS)
    paths = write_sounds(tmp_path / "new", {"fox": 10, "owl": 10})
    report = manager.add_images(version.id, paths, [path.parent.name for path in paths])
    dataset = manager.get_version("v1.0.0")
    assert report.accepted == len(dataset) == 20
    assert dataset.labels == ("fox", "owl")
    assert dataset.version.part_counts == {"train": 14, "val": 4, "test": 2}
    assert dataset.version.message == "v1.0.0: Initial dataset"
    assert dataset.read(dataset.part("test")[0])[:4] == b"RIFF"
    statistics = dataset.statistics()
    assert statistics["parts"]["train"] == {"samples": 14, "groups": 14, "classes": {"fox": 7, "owl": 7}}
    assert (tmp_path / "datasets" / "blobs").is_dir()


def test_annotations_may_be_labels_mappings_or_records(manager: DatasetManager, tmp_path: Path) -> None:
    paths = write_sounds(tmp_path / "new", {"a": 4})
    manager.create_version("v1.0.0")
    manager.add_images("v1.0.0", paths[:2], [{"label": "fox", "group": "night"}, {"class": "fox", "group": "night"}])
    manager.add_samples("v1.0.0", paths[2:], {str(path): "owl" for path in paths})
    dataset = manager.get_version("v1.0.0")
    assert dataset.version.class_counts == {"fox": 2, "owl": 2}
    assert len({entry.group for entry in dataset.version.entries}) == 3


@pytest.mark.parametrize(
    "annotations", [[], "fox", ["fox", "owl"], {"elsewhere.wav": "fox"}, [{"name": "fox"}], [None]]
)
def test_annotations_that_do_not_fit_are_refused(manager: DatasetManager, tmp_path: Path, annotations: Any) -> None:
    manager.create_version("v1.0.0")
    with pytest.raises(InvalidInput):
        manager.add_images("v1.0.0", write_sounds(tmp_path / "new", {"a": 1}), annotations)


def test_the_next_name_begins_with_what_is_there_and_closes_the_one_before(
    manager: DatasetManager, tmp_path: Path
) -> None:
    write_sounds(tmp_path / "new", {"fox": 4})
    manager.create_version("v1.0.0")
    manager.add_folder("v1.0.0", tmp_path / "new")
    manager.create_version("v1.1.0")
    assert len(manager.get_version("v1.1.0")) == 4
    write_sounds(tmp_path / "more", {"owl": 3}, seed=1)
    manager.add_folder("v1.1.0", tmp_path / "more")
    assert [len(manager.get_version(name)) for name in ("v1.0.0", "v1.1.0", "v1", "main@v2")] == [4, 7, 4, 7]
    with pytest.raises(Conflict, match=r"'v1\.0\.0' is closed, since 'v1\.1\.0' was made after it"):
        manager.add_folder("v1.0.0", tmp_path / "more")
    assert [tag.name for tag in manager.versions()] == ["v1.0.0", "v1.1.0"]


def test_creating_twice_is_creating_once(manager: DatasetManager) -> None:
    first = manager.create_version("v1.0.0", "first", SPLITS)
    assert manager.create_version("v1.0.0", "first", SPLITS) == first
    with pytest.raises(Conflict, match="another description or split"):
        manager.create_version("v1.0.0", "second", SPLITS)
    manager.create_version("v1.1.0")
    manager.create_version("v1.0.0", "first", SPLITS)
    assert manager.repository.tags.opened() == "v1.1.0"  # a closed name is not opened again


@pytest.mark.parametrize(
    "splits", ["70/20/10", "0.7,0.2,0.1", [0.7, 0.2, 0.1], {"train": "0.7", "val": 0.2, "test": 0.1}]
)
def test_shares_may_be_text_or_a_list(manager: DatasetManager, splits: Any) -> None:
    assert manager.create_version("v1.0.0", splits=splits).splits == SPLITS


def test_names_that_mean_something_else_are_refused(manager: DatasetManager) -> None:
    for name in ("v3", "12", "head", "latest", "", "a/b", "x" * 65, "f" * 64):
        with pytest.raises(InvalidInput):
            manager.create_version(name)
    with pytest.raises(InvalidInput, match="together 1"):
        manager.create_version("v1.0.0", splits={"train": 1.0})
    for wrong in ([0.7, 0.3], {"train": "most", "val": "some", "test": "some"}, "0.7,0.2", 3, {}):
        with pytest.raises(InvalidInput):
            manager.create_version("v1.0.0", splits=wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match=r"no version named 'v9\.0'"):
        manager.add_images("v9.0", [], [])


def test_a_name_without_samples_says_so(manager: DatasetManager) -> None:
    manager.create_version("v1.0.0")
    with pytest.raises(NotFound, match="no version yet"):
        manager.get_version("v1.0.0")


def test_the_test_part_of_a_name_is_opened_for_an_evaluation(manager: DatasetManager, tmp_path: Path) -> None:
    write_sounds(tmp_path / "new", {"fox": 4})
    manager.create_version("v1.0.0")
    manager.add_folder("v1.0.0", tmp_path / "new")
    config = load_config(project={"root": tmp_path / "datasets"})
    entries, blobs, caveats = open_part(config, "v1.0.0/test")
    assert entries == manager.get_version("main@v1").part("test") == open_part(config, "")[0]
    assert blobs.has(entries[0].sample_id)
    assert caveats == ()
    with pytest.raises(NotFound):
        open_part(config, "v1.0.0/holdout")
    with pytest.raises(NotFound) as elsewhere:  # the evaluator does not know the manager's base_path
        open_part(load_config(project={"root": tmp_path / "elsewhere"}), "v1.0.0/test")
    assert "elsewhere (project.root)" in elsewhere.value.hint


def test_what_is_wrong_on_purpose_with_a_version_is_opened_with_it(manager: DatasetManager, tmp_path: Path) -> None:
    write_sounds(tmp_path / "new", {"fox": 4})
    manager.repository.near_duplicates = lambda ids: Unsearched("in a hurry")
    manager.create_version("v1.0.0")
    manager.add_folder("v1.0.0", tmp_path / "new")
    (caveat,) = open_part(load_config(project={"root": tmp_path / "datasets"}), "v1.0.0/test")[2]
    assert caveat.endswith("4 new samples not compared for near-duplicates, because: in a hurry")


def test_the_script_does_what_the_documents_show(tmp_path: Path) -> None:
    write_sounds(tmp_path / "annotations", {"fox": 10, "owl": 10})
    (tmp_path / "annotations" / "owl" / "broken.wav").write_bytes(b"RIFF")
    command = [sys.executable, FACE, "--create-version", "v1.1.0", "--add-data", "./annotations"]
    command += ["--splits", "70/20/10", "--base-path", "./datasets"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "version v1.1.0 is open (train 0.7, val 0.2, test 0.1)" in done.stdout
    assert "accepted 20, duplicates 0, refused 1" in done.stdout
    assert "owl/broken.wav: " in done.stdout
    assert "val        4 samples in     4 groups: fox 2, owl 2" in done.stdout
    again = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    added = json.loads(again.stdout)["added"]
    assert (added["accepted"], added["duplicates"], added["created"]) == (0, 20, False)


def test_the_script_fails_with_a_sentence_and_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataset.script import main

    base = ["--base-path", str(tmp_path / "datasets")]
    assert main([*base, "--create-version", "v1.0.0", "--splits", "0.7,0.3"]) == 3
    assert main([*base, "--add-data", str(tmp_path)]) == 4
    assert main([*base, "--show", "v8"]) == 4
    told = capsys.readouterr().err
    assert "error: '0.7,0.3' is not three shares\nhint: Such as 0.7,0.2,0.1 or 70/20/10." in told
    assert "Traceback" not in told
