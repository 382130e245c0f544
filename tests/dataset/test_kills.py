"""Many kills of pulls, and many commits at once: what a ref names is whole, and nothing committed is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dataset_kit import labels_of, on_disk, sample

from dataset.keeping.checking import check
from dataset.moving.remotes import open_remote
from dataset.moving.transfer import pull, push
from dataset.versions import DatasetRepository
from ecosight.progress import NullProgress


def fill(repository: DatasetRepository, *names: str) -> None:
    for name in names:
        repository.blobs.put(f"note: {name}".encode())
    repository.extend([sample(name) for name in names], message="more")


def assert_whole(repository: DatasetRepository) -> None:
    assert check(repository.blobs, repository.refs, NullProgress(), read_samples=True).faults == ()


def child(what: str, *arguments: str) -> subprocess.Popen[bytes]:
    code = "import runpy,sys; runpy.run_path(sys.argv[1])[sys.argv[2]](*sys.argv[3:])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", code, __file__, what, *arguments], env=environment)


def pull_alone(project: str, folder: str) -> None:
    pull(on_disk(Path(project)), open_remote(folder), NullProgress())


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_during_a_pull_and_the_next_one_ends_it(tmp_path: Path, kills: int) -> None:
    here, there, remote = on_disk(tmp_path / "here"), on_disk(tmp_path / "there"), open_remote(str(tmp_path / "remote"))
    dice, blobs = random.Random(13), tmp_path / "there" / "blobs"
    fill(here, *(f"s{number}" for number in range(100)))
    for kill in range(kills):
        fill(here, *(f"more {kill} {number}" for number in range(20)))
        push(here, remote, NullProgress())
        before = sum(1 for _ in there.blobs.digests())
        with child("pull_alone", str(tmp_path / "there"), str(tmp_path / "remote")) as process:
            while process.poll() is None and sum(1 for _ in blobs.glob("??/*")) <= before:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.15))
            process.kill()
        assert_whole(there)
    pull(there, remote, NullProgress())
    assert there.get() == here.get()
    assert_whole(there)


def commit_alone(project: str, start: str, name: str, commits: str) -> None:
    repository = on_disk(Path(project))
    while not Path(start).exists():
        time.sleep(0.001)
    for number in range(int(commits)):
        fill(repository, f"{name} {number}")


@pytest.mark.parametrize("commits", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_of_two_processes_that_commit_at_once_again_and_again_every_commit_is_there(
    tmp_path: Path, commits: int
) -> None:
    repository = on_disk(tmp_path / "project")
    writers = [
        child("commit_alone", str(tmp_path / "project"), str(tmp_path / "go"), who, str(commits)) for who in "xy"
    ]
    (tmp_path / "go").touch()
    assert [writer.wait(500) for writer in writers] == [0, 0]
    assert set(labels_of(repository)) == {f"{who} {number}" for who in "xy" for number in range(commits)}
    assert [row.ref.version for row in repository.log()] == list(range(2 * commits, 0, -1))
    assert_whole(repository)
