"""What versions of a large dataset cost: commit, no-op status, diff, checkout of the table, and the memory they take.

    python benchmarks/dataset_versions.py --samples 1000000 --changes 1000

Sample ids are synthetic (SHA-256 of a number), so no recordings are needed; each step runs in a process of its own, and
its peak memory is that process's. Where `dvc` is on PATH, it adds, repeats and compares a folder of as many small files
as --dvc-files says, beside the same folder in EcoSight; else that is said.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = ("commit", "status", "few", "diff", "relabel", "part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--group-size", type=int, default=1, help="Samples of one recording; 1 is the hardest.")
    parser.add_argument("--dvc-files", type=int, default=2_000)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
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
        compare_with_dvc(folder, options.dvc_files)
    finally:
        shutil.rmtree(folder)


def run_step(options: argparse.Namespace) -> dict[str, Any]:
    """One step in this process. Imports are made before the time is taken, as in a process that runs already."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    from dataset.diffing import compare
    from dataset.staging import Stage
    from dataset.unversioned import unversioned
    from dataset.versions import DatasetRepository
    from ecosight.blobs import LocalBlobs
    from ecosight.clock import SystemClock
    from ecosight.state.database import open_database
    from ecosight.state.refs import DatabaseRefs
    from ecosight.state.samples import SampleStore

    database = open_database(f"sqlite:///{options.folder / 'ecosight.db'}")
    repository = DatasetRepository(
        LocalBlobs(options.folder / "blobs"),
        DatabaseRefs(database),
        name="main",
        ratios={"train": 0.7, "val": 0.2, "test": 0.1},
        seed=7,
        clock=SystemClock(),
    )
    samples, total, few = SampleStore(database), options.samples, options.changes
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


def compare_with_dvc(folder: Path, files: int) -> None:
    """The same folder of small files in both, from the command line, process start included."""
    if shutil.which("dvc") is None:
        print("dvc is not installed, so nothing is compared with it (pip install dvc, in an environment of its own)")
        return
    work = folder / "dvc"
    (work / "data").mkdir(parents=True)
    for number in range(files):
        (work / "data" / f"{number}.bin").write_bytes(b"%d" % number * 200)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=work, check=True, capture_output=True)
    timed(f"dvc add of {files:,} files", ["dvc", "add", "-q", "data"], work)
    timed("dvc status, nothing changed", ["dvc", "status", "-q"], work)
    (work / "data" / "0.bin").write_bytes(b"changed")
    timed("dvc add, one file changed", ["dvc", "add", "-q", "data"], work)
    began = time.perf_counter()
    from dataset.changes import changes_from_samples
    from dataset.versions import DatasetRepository
    from ecosight.blobs import LocalBlobs
    from ecosight.clock import SystemClock
    from ecosight.state.database import open_database
    from ecosight.state.refs import DatabaseRefs
    from ecosight.values import Sample

    repository = DatasetRepository(
        LocalBlobs(folder / "beside"),
        DatabaseRefs(open_database(f"sqlite:///{folder / 'beside.db'}")),
        name="main",
        ratios={"train": 0.7, "val": 0.2, "test": 0.1},
        seed=7,
        clock=SystemClock(),
    )
    made = []
    for path in sorted((work / "data").iterdir()):
        digest = repository.blobs.put(path.read_bytes())
        now = datetime.now(UTC)
        size = path.stat().st_size
        made.append(
            Sample(id=digest, medium="x", captured_at=now, source=path.name, group=digest, size_bytes=size, label="x")
        )
    repository.commit_changes(changes_from_samples(made), message="first")
    print(f"{f'EcoSight, the same {files:,} files, synced to disk':44} {time.perf_counter() - began:8.2f} s")


def timed(what: str, command: list[str], folder: Path) -> None:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    print(f"{what:44} {time.perf_counter() - began:8.2f} s")


if __name__ == "__main__":
    main()
