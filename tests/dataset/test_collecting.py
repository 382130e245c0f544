"""Garbage goes, and nothing else: not what a ref, a model or another process needs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dataset_kit import id_of, labels_of, on_disk, sample

from dataset.changes import changes_from_samples
from dataset.keeping.checking import check
from dataset.keeping.collecting import CollectReport, collect
from dataset.keeping.reviving import revive
from dataset.lines.staging import Stage
from dataset.versions import DatasetRepository
from ecosight.clock import SystemClock
from ecosight.errors import InvalidInput, NotFound, Refused
from ecosight.progress import NullProgress

DAY_S = 86_400.0


def fill(repository: DatasetRepository, *names: str, branch: str = "main") -> None:
    for name in names:
        repository.blobs.put(f"note: {name}".encode())
    repository.extend([sample(name) for name in names], message="more", branch=branch)


def age(folder: Path, days: float = 3) -> None:
    """All blobs become as old as that."""
    at = time.time() - days * DAY_S
    for path in (folder / "blobs").glob("??/*"):
        os.utime(path, (at, at))


def sweep(repository: DatasetRepository, **options: Any) -> CollectReport:
    options = {"grace_s": DAY_S, "clock": SystemClock(), "progress": NullProgress()} | options
    return collect(repository.blobs, repository.refs, **options)


def assert_whole(repository: DatasetRepository) -> None:
    assert check(repository.blobs, repository.refs, NullProgress(), read_samples=True).faults == ()


@pytest.fixture
def repository(tmp_path: Path) -> DatasetRepository:
    """Two versions on main, and one on a branch that nobody needs any more."""
    made = on_disk(tmp_path / "project")
    fill(made, "a", "b", "c")
    fill(made, "d")
    made.branches.create("night", made.resolve("v1"))
    fill(made, "n", branch="night")
    return made


def test_only_what_nothing_reaches_goes(repository: DatasetRepository, tmp_path: Path) -> None:
    age(tmp_path / "project")
    assert sweep(repository).deleted == 0
    night = repository.branches.delete("night")
    dry = sweep(repository, dry_run=True)
    assert (dry.deleted, repository.blobs.has(night)) == (6, True)
    assert sweep(repository).deleted == 6  # a sample, two tables with their indexes, the manifest
    assert not repository.blobs.has(night)
    assert not repository.blobs.has(id_of("n"))
    assert_whole(repository)
    assert [row.ref.version for row in repository.log()] == [2, 1]


def test_a_grace_period_that_is_no_number_makes_nothing_old(repository: DatasetRepository) -> None:
    repository.branches.delete("night")
    before = set(repository.blobs.digests())
    with pytest.raises(InvalidInput, match="grace period of nan s is none"):
        sweep(repository, grace_s=float("nan"))
    assert set(repository.blobs.digests()) == before


def test_the_memory_of_a_status_keeps_nothing(repository: DatasetRepository, tmp_path: Path) -> None:
    night = repository.branches.delete("night")
    repository.refs.compare_and_set("dataset/main/seen/night", None, f"{night}:4")
    age(tmp_path / "project")
    assert sweep(repository).deleted == 6
    assert_whole(repository)


def test_what_is_young_stays(repository: DatasetRepository) -> None:
    repository.branches.delete("night")
    report = sweep(repository)
    assert (report.deleted, report.young) == (0, 6)


def test_what_a_registered_model_learned_from_stays(repository: DatasetRepository, tmp_path: Path) -> None:
    night = repository.branches.delete("night")
    repository.blobs.put(b"orphan")
    age(tmp_path / "project")
    assert sweep(repository, needed=[lambda: [night]]).deleted == 1
    assert {entry.source for entry in repository.snapshots.version(night).entries} == {
        "a.note",
        "b.note",
        "c.note",
        "n.note",
    }
    assert repository.blobs.has(id_of("n"))


def test_samples_of_the_database_tags_and_staged_changes_stay(repository: DatasetRepository, tmp_path: Path) -> None:
    uploaded = repository.blobs.put(b"note: uploaded")
    repository.tags.create("night-1", description="", splits=repository.ratios, version=repository.resolve("night"))
    repository.branches.delete("night")
    repository.blobs.put(b"note: staged")
    Stage(repository).add(changes_from_samples([sample("staged")]))
    age(tmp_path / "project")
    assert sweep(repository, needed=[lambda: [uploaded]]).deleted == 0
    assert repository.blobs.has(uploaded)
    assert repository.blobs.has(id_of("staged"))
    assert len(repository.get("night-1").entries) == 4
    assert_whole(repository)


def test_other_datasets_and_unknown_refs_of_the_store_stay(repository: DatasetRepository, tmp_path: Path) -> None:
    other = DatasetRepository(
        repository.blobs, repository.refs, name="coast", ratios=repository.ratios, seed=1, clock=SystemClock()
    )
    fill(other, "seal")
    export = repository.blobs.put(b"an export")
    repository.refs.compare_and_set("export/newest", None, export)
    age(tmp_path / "project")
    assert sweep(repository).deleted == 0
    assert other.get().class_counts == {"fox": 1}


def test_nothing_is_deleted_while_something_is_out_of_sight(repository: DatasetRepository, tmp_path: Path) -> None:
    repository.branches.delete("night")
    repository.blobs.delete(repository.resolve("v1"))
    age(tmp_path / "project")
    before = set(repository.blobs.digests())
    with pytest.raises(Refused, match="cannot be followed"):
        sweep(repository)
    assert set(repository.blobs.digests()) == before


def test_a_commit_that_relies_on_old_garbage_makes_it_young(repository: DatasetRepository, tmp_path: Path) -> None:
    """The collector has looked already, and then somebody commits the very thing that it is about to delete."""
    repository.branches.delete("night")
    age(tmp_path / "project")

    class Meet(NullProgress):
        met = False

        def checkpoint(self) -> None:
            if not self.met:
                self.met = True
                repository.branches.create("again", repository.resolve("v1"))
                fill(repository, "n", branch="again")

    sweep(repository, progress=Meet())
    assert_whole(repository)
    assert {entry.source for entry in repository.get("again").entries} >= {"n.note"}


def test_damage_is_found_and_named(repository: DatasetRepository, tmp_path: Path) -> None:
    assert_whole(repository)
    repository.blobs.delete(id_of("a"))
    (path,) = (tmp_path / "project" / "blobs").rglob(id_of("b"))
    path.write_bytes(b"note: x")
    report = check(repository.blobs, repository.refs, NullProgress())
    assert [(fault.where, fault.what) for fault in report.faults] == [(id_of("a"), "this blob is missing")]
    deep = check(repository.blobs, repository.refs, NullProgress(), read_samples=True)
    assert {fault.where for fault in deep.faults} == {id_of("a"), id_of("b")}


def test_a_ref_that_leads_nowhere_is_found(repository: DatasetRepository) -> None:
    repository.refs.compare_and_set("dataset/main/branch/lost", None, "f" * 64)
    report = check(repository.blobs, repository.refs, NullProgress())
    assert [fault.where for fault in report.faults] == ["dataset/main/branch/lost"]


# -- other processes ---------------------------------------------------------------------------------------


def commit_alone(folder: str, name: str) -> None:
    repository = on_disk(Path(folder))
    print("ready", flush=True)
    for number in range(1000):
        fill(repository, f"{name}-{number}")


def collect_alone(folder: str) -> None:
    repository = on_disk(Path(folder))
    print("ready", flush=True)
    sweep(repository)


def child(what: str, *arguments: str) -> subprocess.Popen[str]:
    code = "import runpy,sys; runpy.run_path(sys.argv[1])[sys.argv[2]](*sys.argv[3:])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(
        [sys.executable, "-c", code, __file__, what, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


KILLS_A_PROJECT = 5
"""Each look reads every version, and after each kill there are more of them."""


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_during_commits_and_collections_leaves_every_ref_whole(tmp_path: Path, kills: int) -> None:
    dice = random.Random(11)
    for begun in range(0, kills, KILLS_A_PROJECT):
        storm(tmp_path / f"project {begun}", dice, min(KILLS_A_PROJECT, kills - begun))


def storm(folder: Path, dice: random.Random, kills: int) -> None:
    repository = on_disk(folder)
    fill(repository, "first")
    seen = 1
    for kill in range(kills):
        repository.branches.create(f"b{kill}", repository.resolve())
        fill(repository, f"garbage {kill}", branch=f"b{kill}")
        repository.branches.delete(f"b{kill}")
        age(folder)
        others = [child("commit_alone", str(folder), f"{kill}{who}") for who in "xy"]
        others.append(child("collect_alone", str(folder)))
        time.sleep(dice.uniform(0.05, 0.6))
        for process in others:
            stop(process)
        assert_whole(repository)
        now = len(repository.get().entries)
        assert now >= seen
        seen = now
    age(folder)
    assert seen > 1
    sweep(repository)
    assert_whole(repository)
    assert sweep(repository).deleted == 0


class StopsAfter(NullProgress):
    """Progress of a collection that says how far it is, and goes no further after so many deletions."""

    def __init__(self, deletions: int) -> None:
        self._left = deletions

    def checkpoint(self) -> None:  # between two deletions
        self._left -= 1
        if not self._left:
            print("in the middle", flush=True)
            time.sleep(600)


def collect_some_alone(folder: str, deletions: str) -> None:
    repository = on_disk(Path(folder))
    print("ready", flush=True)
    sweep(repository, progress=StopsAfter(int(deletions)))


@pytest.mark.parametrize("deletions", [1, 2, 5, 11])
def test_kill_9_in_the_middle_of_deleting_loses_nothing_and_the_next_collection_ends_it(
    tmp_path: Path, deletions: int
) -> None:
    folder = tmp_path / "project"
    repository = on_disk(folder)
    fill(repository, "a", "b")
    repository.branches.create("kept", repository.resolve())
    fill(repository, "k", branch="kept")
    repository.tags.pin("spring", description="", splits=repository.ratios, version=repository.resolve("kept"))
    repository.branches.create("night", repository.resolve())
    for name in ("n", "o", "p"):
        fill(repository, name, branch="night")
    gone = repository.branches.delete("night")
    age(folder)
    garbage = sweep(repository, dry_run=True).deleted
    assert garbage > deletions
    before = {name: repository.refs.get(name) for name in repository.refs.names()}
    process = child("collect_some_alone", str(folder), str(deletions))
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    stop(process)
    assert_whole(repository)
    assert {name: repository.refs.get(name) for name in repository.refs.names()} == before
    assert labels_of(repository).keys() == {"a", "b"}
    assert {entry.sample_id for entry in repository.get("spring").entries} == {id_of(name) for name in "abk"}
    with pytest.raises(NotFound):  # half a version is not brought back
        revive(repository, gone)
    assert sweep(repository).deleted == garbage - deletions
    assert_whole(repository)
    assert sweep(repository).deleted == 0


def test_a_version_that_nothing_holds_is_made_young_before_a_name_may_lead_to_it(
    repository: DatasetRepository, tmp_path: Path
) -> None:
    gone = repository.branches.delete("night")
    age(tmp_path / "project")
    assert not repository.is_held(gone)
    revive(repository, gone)
    assert sweep(repository).deleted == 0  # although no name leads there yet
    repository.branches.create("night", gone)
    assert repository.is_held(gone)
    assert_whole(repository)
