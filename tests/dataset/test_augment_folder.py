"""A folder of variants: the same bytes from any number of workers, and after any number of kills."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import augment_kit
import numpy as np
import pytest
from augment_kit import AugmentedProject, contents, write_recordings

from dataset.augmenting import Recipe, is_augmented_folder
from dataset.reading import survey
from ecosight.errors import AlreadyRunning, Cancelled, Conflict, InvalidInput
from ecosight.ids import content_digest
from ecosight.progress import NullProgress


@pytest.fixture
def project(tmp_path: Path) -> Iterator[AugmentedProject]:
    made = AugmentedProject(tmp_path)
    made.add(write_recordings(tmp_path / "source", groups=4))
    yield made
    made.bench.close()


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "augmented.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_holds_what_its_manifest_says(project: AugmentedProject, tmp_path: Path) -> None:
    augmenter = project.augmenter()
    report = augmenter.materialise(tmp_path / "out", NullProgress(), workers=1)
    rows = manifest(tmp_path / "out")
    samples = len(augmenter.entries)
    assert (report.files, report.written, report.kept, report.removed, report.failed) == (
        6 * samples, 6 * samples, 0, 0, []
    )  # fmt: skip
    files = contents(tmp_path / "out")
    assert set(files) == {row["file"] for row in rows} | {"augmented.csv", "augmented.json"}
    train = {entry.sample_id: entry for entry in project.version.part("train")}
    for row in rows:
        parent = train[row["parent"]]
        assert (row["label"], row["group"], row["part"]) == (parent.label, parent.group, "train")
        assert row["file"] == f"{parent.label}/{Path(parent.source).stem}_{row['variant']}.wav"
        assert row["digest"] == content_digest(files[row["file"]])
        assert project.medium.note_in(files[row["file"]]) == f"parent={parent.sample_id} variant={row['variant']}"
        json.loads(row["parameters"])
    speeds = [json.loads(row["parameters"])["speed"] for row in rows if "stretch" in row["technique"]]
    assert all(0.9 <= speed <= 1.1 for speed in speeds)
    assert is_augmented_folder(tmp_path / "out" / "dog")
    assert not is_augmented_folder(tmp_path / "source")
    with pytest.raises(InvalidInput, match="no new ones"):
        survey(tmp_path / "out", {".wav"})


def test_files_are_the_bytes_that_a_trainer_gets_on_the_fly(project: AugmentedProject, tmp_path: Path) -> None:
    augmenter = project.augmenter()
    augmenter.materialise(tmp_path / "out", NullProgress(), workers=1, originals=False)
    files = contents(tmp_path / "out")
    on_the_fly = {(row.parent, row.variant): augmenter.blobs().get(row.key) for row in augmenter.rows(originals=False)}
    assert {(row["parent"], row["variant"]): files[row["file"]] for row in manifest(tmp_path / "out")} == on_the_fly


def test_any_number_of_workers_makes_the_same_bytes(project: AugmentedProject, tmp_path: Path) -> None:
    backgrounds = [augment_kit.noise(1), augment_kit.noise(2)]
    for workers in (1, 2):
        augmenter = project.augmenter(backgrounds=backgrounds)
        augmenter.materialise(tmp_path / str(workers), NullProgress(), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_it_ends_with_the_same_folder(
    project: AugmentedProject, tmp_path: Path, workers: int
) -> None:
    project.augmenter().materialise(tmp_path / "whole", NullProgress(), workers=1)
    expected, out, kills = contents(tmp_path / "whole"), tmp_path / "killed", 0
    chance = random.Random(workers)
    for _ in range(40):
        with started(tmp_path, out, workers) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            ends = time.monotonic() + chance.uniform(0.0, 0.3) + (workers > 1) * 0.8
            while time.monotonic() < ends and process.poll() is None:
                time.sleep(0.005)
            if process.poll() is not None:
                assert process.stdout.read() == "done\n"
                break
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must end by themselves
            kills += 1
        for file, data in contents(out).items() if out.exists() else ():
            assert file.endswith((".csv", ".json", ".partial")) or data == expected[file]  # no half file
        if kills == 3:
            break
    assert kills
    wait_for_no_workers(out)
    report = project.augmenter().materialise(out, NullProgress(), workers=1)
    assert contents(out) == expected
    assert report.files == len(manifest(out)) == len({row["file"] for row in manifest(out)})


def started(root: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, augment_kit.__file__, str(root), str(out), str(workers)], stdout=subprocess.PIPE, text=True
    )


def wait_for_no_workers(out: Path) -> None:
    """Workers of a killed parent are gone within seconds."""
    import psutil

    def orphans() -> list[Any]:
        found = []
        for process in psutil.process_iter(["cmdline", "ppid", "cwd"]):
            line = " ".join(process.info["cmdline"] or [])
            if "multiprocessing.spawn" in line and process.info["ppid"] == 1 and process.info["cwd"] == os.getcwd():
                found.append(process)
        return found

    deadline = time.monotonic() + 10
    while orphans():
        assert time.monotonic() < deadline, orphans()
        time.sleep(0.05)


def test_what_is_there_stays_and_what_was_damaged_is_made_again(project: AugmentedProject, tmp_path: Path) -> None:
    out = tmp_path / "out"
    project.augmenter().materialise(out, NullProgress(), workers=1)
    before = contents(out)
    files = sorted(file for file in before if file.endswith(".wav"))
    (out / files[0]).unlink()
    (out / files[1]).write_bytes(b"half")
    (out / "dog" / ".x.wav.1.partial").write_bytes(b"left behind")
    with (out / ".augmenting" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"file": "torn')
    report = project.augmenter().materialise(out, NullProgress(), workers=1)
    assert (report.written, report.kept) == (2, len(files) - 2)
    assert contents(out) == before


def test_cancelled_between_two_samples_it_goes_on(project: AugmentedProject, tmp_path: Path) -> None:
    class Impatient(NullProgress):
        left = 3

        def checkpoint(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise Cancelled("enough")

    for workers in (1, 2):
        out = tmp_path / str(workers)
        with pytest.raises(Cancelled):
            project.augmenter().materialise(out, Impatient(), workers=workers)
        assert not (out / "augmented.csv").exists()  # a manifest that is not whole would lie
        report = project.augmenter().materialise(out, NullProgress(), workers=1)
        assert report.kept >= 18
        assert report.files == report.kept + report.written == 6 * len(project.augmenter().entries)


def test_a_newer_version_adds_what_is_new_and_keeps_the_rest(project: AugmentedProject, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = project.augmenter().materialise(out, NullProgress(), workers=1)
    project.add(write_recordings(tmp_path / "more", groups=3, first=4))
    second = project.augmenter().materialise(out, NullProgress(), workers=1)
    assert (second.kept, second.removed) == (first.files, 0)
    assert second.written == 6 * (second.samples - first.samples) > 0
    back = project.augmenter(version=project.bench.datasets.get(1)).materialise(out, NullProgress(), workers=1)
    assert (back.written, back.removed) == (0, second.written)
    assert len(contents(out)) == first.files + 2


def test_another_recipe_or_a_strangers_folder_is_not_touched(project: AugmentedProject, tmp_path: Path) -> None:
    out = tmp_path / "out"
    project.augmenter().materialise(out, NullProgress(), workers=1)
    before = contents(out)
    with pytest.raises(Conflict, match="another recipe"):
        project.augmenter(Recipe(techniques=("pitch_up",))).materialise(out, NullProgress(), workers=1)
    assert contents(out) == before
    stranger = tmp_path / "photos"
    stranger.mkdir()
    (stranger / "cat.jpg").write_bytes(b"x")
    with pytest.raises(Conflict, match="not empty"):
        project.augmenter().materialise(stranger, NullProgress(), workers=1)
    assert [path.name for path in stranger.iterdir()] == ["cat.jpg"]


def test_two_at_once_do_not_mix(project: AugmentedProject, tmp_path: Path) -> None:
    augmenter, refused = project.augmenter(), []

    class Meddling(NullProgress):
        def checkpoint(self) -> None:
            if not refused:
                with pytest.raises(AlreadyRunning):
                    augmenter.materialise(tmp_path / "out", NullProgress(), workers=1)
                refused.append(True)

    augmenter.materialise(tmp_path / "out", Meddling(), workers=1)
    assert refused


def test_a_sample_that_cannot_be_varied_stops_no_other(project: AugmentedProject, tmp_path: Path) -> None:
    def picky(samples: Any, rate: int, rng: np.random.Generator) -> Any:
        return samples / (int(samples[100] * 32768) % 2)  # half of them become infinite

    recipe = Recipe(techniques=("volume_up", "picky"), variants=2)
    augmenter = project.augmenter(recipe, techniques={"picky": picky})
    with np.errstate(all="ignore"):
        report = augmenter.materialise(tmp_path / "out", NullProgress(), workers=1)
    assert 0 < len(report.failed) < len(augmenter.entries)
    assert "picky" in report.failed[0]["error"]["message"]
    rows = manifest(tmp_path / "out")
    assert len(rows) == report.files == 3 * len(augmenter.entries) - len(report.failed)
