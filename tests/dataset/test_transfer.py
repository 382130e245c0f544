"""Versions go between stores: only what is missing, whole or not at all, and nobody's commit is lost."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dataset_kit import id_of, labels_of, on_disk, sample

from dataset.changes import relabelled, removed
from dataset.keeping.checking import check
from dataset.merging.joining import merge
from dataset.moving.remotes import Remote, open_remote
from dataset.moving.transfer import TransferReport, pull, push
from dataset.versions import DatasetRepository
from ecosight.errors import Conflict, IntegrityError, InvalidInput, NotFound
from ecosight.progress import NullProgress


def fill(repository: DatasetRepository, *names: str, label: str = "fox", branch: str = "main") -> None:
    for name in names:
        repository.blobs.put(f"note: {name}".encode())
    repository.extend([sample(name, label) for name in names], message="more", branch=branch)


def send(repository: DatasetRepository, remote: Remote, **options: Any) -> TransferReport:
    return push(repository, remote, NullProgress(), **options)


def fetch(repository: DatasetRepository, remote: Remote, **options: Any) -> TransferReport:
    return pull(repository, remote, NullProgress(), **options)


def assert_whole(store: Any) -> None:
    report = check(store.blobs, store.refs, NullProgress(), read_samples=True)
    assert report.faults == ()


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    if request.param == "folder":
        return open_remote(str(tmp_path / "remote"))
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_remote(f"s3://ecosight-tests/{secrets.token_hex(6)}?endpoint_url={endpoint}")


@pytest.fixture
def here(tmp_path: Path) -> DatasetRepository:
    made = on_disk(tmp_path / "here")
    fill(made, *(f"s{number}" for number in range(10)))
    return made


@pytest.fixture
def there(tmp_path: Path) -> DatasetRepository:
    return on_disk(tmp_path / "there")


def test_what_is_pushed_is_pulled_whole_and_only_what_is_missing_moves(
    here: DatasetRepository, there: DatasetRepository, remote: Remote
) -> None:
    here.tags.create("spring", description="", splits=here.ratios, version=here.resolve())
    assert send(here, remote).blobs == 10 + 4 + 1  # samples, two tables with their indexes, the manifest
    fill(here, "new")
    again = send(here, remote)
    assert (again.versions, again.moved) == (1, True)
    assert again.blobs == 1 + 4 + 1
    assert send(here, remote).blobs == 0
    assert_whole(remote)
    assert fetch(there, remote).versions == 2
    assert there.get() == here.get()
    assert there.get("spring") == here.get("v1")
    assert_whole(there)
    assert fetch(there, remote).blobs == 0


def test_two_who_push_do_not_lose_each_other_s_commits(
    here: DatasetRepository, there: DatasetRepository, remote: Remote
) -> None:
    send(here, remote)
    fetch(there, remote)
    fill(here, "from here")
    there.commit_changes(relabelled({id_of("s1"): "owl"}), message="corrected there")
    send(here, remote)
    with pytest.raises(Conflict, match="has versions that are not here"):
        send(there, remote)
    report = fetch(there, remote)
    assert (report.branch, report.diverged) == ("remote.main", True)
    merge(there, "remote.main")
    send(there, remote)
    assert fetch(here, remote).moved
    labels = labels_of(here)
    assert (labels["from here"], labels["s1"]) == ("fox", "owl")
    assert_whole(here)


def test_refs_of_a_remote_that_lead_nowhere_are_named(
    here: DatasetRepository, there: DatasetRepository, remote: Remote
) -> None:
    send(here, remote)
    assert remote.refs.compare_and_set("dataset/main/tag/spring", None, here.resolve())
    with pytest.raises(IntegrityError, match="the ref 'dataset/main/tag/spring' leads to no record of a tag"):
        fetch(there, remote)
    assert remote.refs.compare_and_set("dataset/main/head", here.resolve(), "<html>moved</html>")
    for move in (send, fetch):
        with pytest.raises(IntegrityError, match="the ref 'dataset/main/head' is damaged: it leads to '<html>"):
            move(here, remote)


def test_a_dry_run_moves_nothing(here: DatasetRepository, remote: Remote) -> None:
    report = send(here, remote, dry_run=True)
    assert (report.blobs, report.versions, report.size_bytes) == (15, 1, None)
    here.commit_changes(removed([id_of("s1")]), message="noise")
    fill(here, "new")
    planned = send(here, remote, dry_run=True)
    assert list(remote.blobs.digests()) == []
    assert remote.refs.names() == []
    assert planned.blobs == send(here, remote).blobs


def test_branches_and_addresses_that_are_not_there(here: DatasetRepository, remote: Remote) -> None:
    with pytest.raises(NotFound, match="no branch 'night'"):
        send(here, remote, branch="night")
    with pytest.raises(NotFound, match="has no branch 'main'"):
        fetch(here, remote)
    for address in (
        "ftp://host/x",
        "s3://bucket/x?colour=red",
        "s3://bucket/x?endpoint_url=minio:9000",
        "",
        "file://",
        "http://[x",
    ):
        with pytest.raises(InvalidInput):
            open_remote(address)


def test_damaged_bytes_are_not_sent(here: DatasetRepository, remote: Remote, tmp_path: Path) -> None:
    (path,) = (tmp_path / "here" / "blobs").rglob(id_of("s3"))
    path.write_bytes(b"note: xx")
    with pytest.raises(IntegrityError):
        send(here, remote)
    assert remote.refs.names() == []


def push_alone(project: str, folder: str) -> None:
    send(on_disk(Path(project)), open_remote(folder))


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_during_a_push_and_the_next_one_ends_it(tmp_path: Path, kills: int) -> None:
    here = on_disk(tmp_path / "here")
    fill(here, *(f"s{number}" for number in range(150)))
    code = "import runpy,sys; runpy.run_path(sys.argv[1])['push_alone'](*sys.argv[2:])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    dice, folder = random.Random(5), tmp_path / "remote"
    for kill in range(kills):
        fill(here, f"more {kill}")
        arguments = [sys.executable, "-c", code, __file__, str(tmp_path / "here"), str(folder)]
        before = sum(1 for _ in open_remote(str(folder)).blobs.digests())
        with subprocess.Popen(arguments, env=environment) as child:
            while child.poll() is None and sum(1 for _ in (folder / "blobs").glob("*/*")) <= before:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.1))
            child.kill()
        assert_whole(open_remote(str(folder)))
    remote = open_remote(str(folder))
    send(here, remote)
    assert_whole(remote)
    there = on_disk(tmp_path / "there")
    fetch(there, remote)
    assert there.get() == here.get()
