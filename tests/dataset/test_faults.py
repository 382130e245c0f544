"""Full disks, damaged blobs and wrong clocks: each is told in a sentence, and nothing that was committed is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dataset_kit import id_of, in_memory, on_disk, sample

from dataset.changes import relabelled
from dataset.folders.checkout import checkout
from dataset.keeping import reachable
from dataset.keeping.checking import check
from dataset.keeping.collecting import collect
from dataset.merging.joining import merge
from dataset.moving import transfer
from dataset.moving.remotes import open_remote
from dataset.moving.transfer import push
from dataset.storing import blob_files
from dataset.versions import DatasetRepository
from ecosight.clock import SystemClock
from ecosight.errors import EcosightError, IntegrityError, NotFound, Refused
from ecosight.progress import NullProgress

DAY_S = 86_400.0


def fill(repository: DatasetRepository, *names: str, branch: str = "main") -> None:
    for name in names:
        repository.blobs.put(f"note: {name}".encode())
    repository.extend([sample(name) for name in names], message="more", branch=branch)


def faults(repository: DatasetRepository, *, deep: bool = False) -> dict[str, str]:
    found = check(repository.blobs, repository.refs, NullProgress(), read_samples=deep).faults
    return {fault.where: fault.what for fault in found}


def sweep(repository: DatasetRepository) -> Any:
    return collect(repository.blobs, repository.refs, grace_s=DAY_S, clock=SystemClock(), progress=NullProgress())


# -- damage ------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> DatasetRepository:
    made = on_disk(tmp_path / "project")
    fill(made, *(f"s{n}" for n in range(30)))
    return made


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("what", ["pack", "index", "manifest", "sample"])
@pytest.mark.parametrize("damage", [truncated, flipped, missing])
def test_damage_is_told_in_one_sentence_by_fsck_and_by_the_verb_that_meets_it(
    repository: DatasetRepository, tmp_path: Path, what: str, damage: Any
) -> None:
    version = repository.resolve()
    snapshot = repository.snapshots.load(version)
    index = repository.snapshots.manifest(version)["entries"]
    pack = snapshot.entries.blobs()[0]
    digest = {"pack": pack, "index": index, "manifest": version, "sample": id_of("s3")}[what]
    (path,) = (tmp_path / "project" / "blobs").rglob(digest)
    damage(path)
    fresh = on_disk(tmp_path / "project")  # nothing in a cache
    found = faults(fresh, deep=True)
    assert found
    assert any(digest in where + told for where, told in found.items())
    assert all(told and "\n" not in told and "Traceback" not in told for told in found.values())
    verbs: list[Callable[[], Any]] = [
        lambda: checkout(fresh.get(), tmp_path / "out", fresh.blobs, NullProgress()),
        lambda: push(fresh, open_remote(str(tmp_path / "remote")), NullProgress()),
    ]
    if what != "sample":
        verbs += [
            lambda: fresh.commit_changes(relabelled({id_of("s1"): "owl"}), message="x"),
            lambda: merge(fresh, fresh.resolve()) and fresh.snapshots.load(fresh.resolve()).entries.table(),
        ]
    for verb in verbs:
        with pytest.raises((IntegrityError, NotFound), match=digest) as told:
            verb()
        assert told.value.hint
        assert "ingest" not in told.value.hint or what != "manifest"  # no file makes a version again
    assert open_remote(str(tmp_path / "remote")).refs.names() == []
    if what != "sample":
        before = set(fresh.blobs.digests())
        with pytest.raises(Refused, match="cannot be followed"):
            sweep(fresh)
        assert set(fresh.blobs.digests()) == before


def test_a_ref_that_holds_no_digest_is_a_fault_and_its_history_is_not_garbage(
    repository: DatasetRepository, tmp_path: Path
) -> None:
    repository.branches.create("night", repository.resolve())
    fill(repository, "n", branch="night")
    assert repository.refs.compare_and_set("dataset/main/branch/night", repository.resolve("night"), "x" * 64)
    assert list(faults(repository)) == ["dataset/main/branch/night"]
    for path in (tmp_path / "project" / "blobs").glob("??/*"):
        os.utime(path, (time.time() - 3 * DAY_S,) * 2)
    with pytest.raises(Refused, match="no digest of a version"):
        sweep(repository)
    assert repository.blobs.has(id_of("n"))


# -- a full disk -------------------------------------------------------------------------------------------


def commit_on_a_full_disk(folder: str, limit: str) -> None:
    """No file may grow beyond the limit: as a full disk, the kernel refuses the write half way through."""
    import resource
    import signal

    repository = on_disk(Path(folder))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        repository.extend([sample(f"new {n}") for n in range(3000)], message="too much")
    except EcosightError as error:
        print(error.message)


@pytest.mark.parametrize(
    "limit", [pytest.param(100, marks=pytest.mark.slow), 5_000, pytest.param(60_000, marks=pytest.mark.slow)]
)
def test_a_disk_that_is_full_during_a_commit_leaves_the_old_version(tmp_path: Path, limit: int) -> None:
    repository = on_disk(tmp_path / "project")
    for n in range(3000):
        if n % 300 == 0:
            fill(repository, f"old {n}")
    before = repository.resolve()
    code = "import runpy,sys; runpy.run_path(sys.argv[1])['commit_on_a_full_disk'](*sys.argv[2:])"
    command = [sys.executable, "-c", code, __file__, str(tmp_path / "project"), str(limit)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot be used: File too large" in done.stdout
    assert repository.resolve() == before
    assert faults(repository, deep=True) == {}
    assert list((tmp_path / "project" / "blobs" / "writing").iterdir()) == []
    fill(repository, "and on it goes")
    assert faults(repository, deep=True) == {}


# -- clocks ------------------------------------------------------------------------------------------------


def test_what_is_written_while_the_clock_is_days_behind_is_not_collected_when_it_is_right_again(
    repository: DatasetRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    monkeypatch.setattr(blob_files, "time", SimpleNamespace(time=lambda: right() - 3 * DAY_S))
    real = repository.blobs.inner.put  # type: ignore[attr-defined]

    def put(data: bytes) -> str:
        digest: str = real(data)
        path = blob_files.local_path(repository.blobs, digest)
        assert path is not None
        os.utime(path, (right() - 3 * DAY_S,) * 2)  # as the file system writes it with such a clock
        return digest

    monkeypatch.setattr(repository.blobs.inner, "put", put)  # type: ignore[attr-defined]
    young = repository.blobs.put(b"a commit is under way, its ref has not moved yet")
    assert sweep(repository).deleted == 0
    monkeypatch.undo()
    report = sweep(repository)
    assert (report.deleted, report.young >= 1) == (0, True)
    assert repository.blobs.has(young)


def test_a_blob_that_a_collector_takes_during_a_push_is_sent_again(
    repository: DatasetRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = open_remote(str(tmp_path / "remote"))
    remote.blobs.put(b"note: s3")  # there by chance, and nothing needs it
    real = reachable.missing_from

    def looked(blobs: Any, digests: Any) -> list[str]:
        found = real(blobs, digests)
        remote.blobs.delete(id_of("s3"))
        return found

    monkeypatch.setattr(transfer, "missing_from", looked)
    push(repository, remote, NullProgress())
    assert check(remote.blobs, remote.refs, NullProgress()).faults == ()


def test_a_clock_that_runs_backwards_between_commits_keeps_the_history_in_order() -> None:
    class Backwards(SystemClock):
        left = 10 * DAY_S

        def now(self) -> Any:
            from datetime import UTC, datetime

            self.left -= 3600
            return datetime.fromtimestamp(1_800_000_000 + self.left, UTC)

    made = in_memory(clock=Backwards())
    for name in "abcd":
        made.extend([sample(name)], message=name)
    assert [row.message for row in made.log()] == ["d", "c", "b", "a"]
    assert made.resolve("v4~3") == made.resolve("v1")
