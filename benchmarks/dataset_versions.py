"""What versions of a large dataset cost: commit, no-op status, diff, checkout of the table, and the memory they take.

    python benchmarks/dataset_versions.py --samples 1000000 --changes 1000

Sample ids are synthetic (SHA-256 of a number), so no recordings are needed; each step runs in a process of its own, and
its peak memory is that process's. With `--dvc PATH_TO_DVC` both do the same work on one folder of real files; a million
of those would be mostly the disk's work, so there are as many as --dvc-files says. Nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WORKERS = min(8, (os.cpu_count() or 1) + 2)
"""As many as an ingest has."""
STEPS = ("commit", "status", "few", "diff", "relabel", "part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--group-size", type=int, default=1, help="Samples of one recording; 1 is the hardest.")
    parser.add_argument("--dvc", help="Where the command `dvc` lies, for the comparison; without, it is not measured.")
    parser.add_argument("--dvc-files", type=int, default=20_000)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step and options.step.startswith("files-"):
        with_files(options)
        return
    if options.step:
        print(json.dumps(run_step(options)))
        return
    folder = Path(tempfile.mkdtemp(prefix="ecosight-versions-"))
    try:
        print(f"{options.samples:,} samples in groups of {options.group_size}, {options.changes:,} changes")
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
            for name in ("samples", "changes", "group-size"):
                command += [f"--{name}", str(getattr(options, name.replace("-", "_")))]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            spent = f"{told['seconds']:8.2f} s {told['cpu_s']:8.2f} s CPU {told['memory_mb']:6.0f} MB"
            print(f"{told['what']:44} {spent}   {told['note']}", flush=True)
        compare_with_dvc(folder, options.dvc_files, options.dvc)
    finally:
        shutil.rmtree(folder)


def run_step(options: argparse.Namespace) -> dict[str, Any]:
    """One step in this process. Imports are made before the time is taken, as in a process that runs already."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    from dataset.lines.staging import Stage
    from dataset.lines.unversioned import unversioned
    from dataset.merging.diffing import compare

    repository, samples = opened(options.folder)
    total, few = options.samples, options.changes
    stored = blob_bytes(options.folder)
    note = ""
    began, worked = time.perf_counter(), time.process_time()
    if options.step == "commit":
        what = f"first commit of {total:,}"
        repository.extend(synthetic(0, total, options.group_size), message="first")
    elif options.step == "status":
        what = "status, nothing changed"
        staged, waiting = Stage(repository).counts(), unversioned(repository, samples)
        note = f"{repository.summary().ref}, {staged.added + len(waiting)} to commit"
    elif options.step == "few":
        what = f"commit of {few:,} more"
        repository.extend(synthetic(total, few, options.group_size), message="more")
    elif options.step == "diff":
        what = f"diff of {few:,} changes"
        one, two = (repository.snapshots.load(repository.resolve(name)).entries for name in ("v1", "v2"))
        note = f"{compare(one, two).as_dict(10)['added']:,} added"
    elif options.step == "relabel":
        what = "commit of one corrected label"
        from dataset.changes import relabelled

        repository.commit_changes(relabelled({sample_id(5): "corrected"}), message="one")
    else:
        what = "all entries of the training part"
        note = f"{sum(1 for _ in repository.get().part('train')):,} entries looked at one by one"
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - worked
    if options.step in ("commit", "few", "relabel"):
        note = f"{(blob_bytes(options.folder) - stored) / 1e6:.1f} MB written"
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"what": what, "seconds": seconds, "cpu_s": cpu_s, "memory_mb": memory_mb, "note": note}


def synthetic(first: int, count: int, group_size: int) -> Iterator[Any]:
    from ecosight.values import Sample

    for number in range(first, first + count):
        own = sample_id(number)
        yield Sample(
            id=own,
            medium="sound",
            captured_at=BEGIN + timedelta(seconds=number),
            source=f"sensor-{number % 37}-{number}.wav",
            group=own if group_size == 1 else f"recording {number // group_size}",
            size_bytes=100_000 + number % 777,
            label=f"class {number % 50}",
            details={"station": f"station {number % 37}"},
        )


def sample_id(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def blob_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "blobs").glob("??/*"))


def compare_with_dvc(folder: Path, files: int, dvc: str | None) -> None:
    """The same folder of real files in both, as commands, process start included; EcoSight's also sync to disk."""
    if dvc is None:
        print("beside DVC: not measured (give --dvc PATH; `pip install dvc` in an environment of its own)")
        return
    work, project = folder / "dvc", folder / "beside"
    (work / "data").mkdir(parents=True)
    for number in range(files):
        (work / "data" / f"{number}.bin").write_bytes(b"%d" % number * 200)
    for command in (["git", "init", "-q"], [dvc, "init", "-q"], [dvc, "config", "core.analytics", "false"]):
        subprocess.run(command, cwd=work, check=True, capture_output=True)
    print(f"\nthe same {files:,} files; seconds on the clock, then of processor time: EcoSight, DVC, ratio")
    save = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam"]

    def ours(step: str) -> tuple[float, float]:
        own = ["--step", f"files-{step}", "--folder", str(project), "--data", str(work / "data")]
        return spent([sys.executable, __file__, *own], work)

    def both(what: str, step: str, theirs: list[str]) -> None:
        mine, other = ours(step), spent(theirs, work)
        told = " ".join(f"{one:7.2f} {two:8.2f} {two / one:6.1f}" for one, two in zip(mine, other, strict=True))
        print(f"{what:40} {told}", flush=True)

    project.mkdir()
    both("take in and commit", "commit", [dvc, "add", "-q", "data"])
    subprocess.run(["git", "add", "-A"], cwd=work, check=True, capture_output=True)
    subprocess.run([*save, "first"], cwd=work, check=True, capture_output=True)
    both("status, nothing changed", "status", [dvc, "status", "-q"])
    for number in range(files, files + files // 20):
        (work / "data" / f"{number}.bin").write_bytes(b"%d" % number * 200)
    both(f"{files // 20:,} files more", "commit", [dvc, "add", "-q", "data"])
    both("diff with the version before", "diff", [dvc, "diff", "-q", "HEAD"])


def with_files(options: argparse.Namespace) -> None:
    """EcoSight's side of the comparison: what is in the folder is hashed, stored, synced and committed."""
    from dataset.changes import changes_from_samples
    from dataset.lines.staging import Stage
    from dataset.merging.diffing import compare
    from ecosight.ids import content_digest
    from ecosight.values import Sample

    repository, _ = opened(options.folder)
    if options.step == "files-diff":
        newest = repository.summary()
        one, two = (repository.snapshots.load(digest).entries for digest in (newest.parent, newest.ref.digest))
        compare(one, two).as_dict()
        return
    now, head = datetime.now(UTC), repository.head()
    known = set() if head is None else {entry.sample_id for entry in head.entries}

    def taken(path: Path) -> Sample:
        data = path.read_bytes()
        digest = content_digest(data)
        if digest not in known and options.step == "files-commit":
            repository.blobs.put(data)
        place = {"source": path.name, "group": digest, "size_bytes": len(data), "label": "x"}
        return Sample(id=digest, medium="x", captured_at=now, **place)

    made: list[Sample] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for some in batched(sorted(options.data.iterdir()), 10_000):
            made += pool.map(taken, some)
    if options.step == "files-commit":
        repository.commit_changes(changes_from_samples(made), message="files")
        return
    Stage(repository).counts()
    assert {each.id for each in made} == known  # as DVC's status, which compares the folder with what was added


def batched(paths: list[Path], size: int) -> Iterator[list[Path]]:
    """``itertools.batched`` of Python 3.12. A million futures at once would be half of the memory."""
    left = iter(paths)
    while some := list(islice(left, size)):
        yield some


def opened(folder: Path) -> tuple[Any, Any]:
    """The repository and the samples of a project in a folder."""
    from dataset.versions import DatasetRepository
    from ecosight.blobs import LocalBlobs
    from ecosight.clock import SystemClock
    from ecosight.state.database import open_database
    from ecosight.state.refs import DatabaseRefs
    from ecosight.state.samples import SampleStore

    database = open_database(f"sqlite:///{folder / 'ecosight.db'}")
    shares = {"train": 0.7, "val": 0.2, "test": 0.1}
    blobs, refs = LocalBlobs(folder / "blobs"), DatabaseRefs(database)
    return DatasetRepository(blobs, refs, name="main", ratios=shares, seed=7, clock=SystemClock()), SampleStore(
        database
    )


def spent(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds on the clock, and of processor time, of a command and its children."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
