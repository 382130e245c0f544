"""Worker processes that write variants. One that loses its parent ends by itself; none takes Ctrl-C for itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from dataset.augmenting.making import Made, VariantMaker
from dataset.augmenting.manifest import FileRow, write_atomically
from dataset.augmenting.recipe import Variant
from dataset.entries import Entry
from ecosight.errors import InputError, Unavailable
from ecosight.ids import content_digest

__all__ = ["Job", "Result", "run_jobs", "usable_cores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The files that are to be made of one sample: variant -> its path in the folder."""

    entry: Entry
    files: tuple[tuple[Variant, str], ...]
    basis: str
    marks: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a job: the rows of its files, or the error of a sample that cannot be varied."""

    job: Job
    rows: tuple[FileRow, ...] = ()
    error: InputError | None = None


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Iterable[Job], read: Callable[[Job], bytes], maker: VariantMaker, folder: Path, *, workers: int
) -> Generator[Result]:
    """Results as they are ready; files are written before their result comes. Close it to stop between two jobs.

    Args:
        read: gives the bytes of a job's sample; called here, a few jobs ahead.
        workers: processes; 1 works in this one. Programs that use more need the usual
            ``if __name__ == "__main__":`` around what they do.
    Raises: Unavailable: the folder cannot be written, or a worker was killed. As ``read``.
    """
    if workers <= 1:
        return (_run(maker, folder, job, read(job)) for job in jobs)
    return _in_processes(iter(jobs), read, maker, folder, workers)


def _in_processes(
    jobs: Iterator[Job], read: Callable[[Job], bytes], maker: VariantMaker, folder: Path, workers: int
) -> Generator[Result]:
    # Not forked: a forked child may inherit a lock that some thread held.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(maker, folder))
    running: set[Future[Result]] = set()
    try:
        for job in jobs:
            running.add(pool.submit(_run_here, job, read(job)))
            while len(running) >= 2 * workers:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    except BrokenProcessPool as error:
        raise Unavailable(
            "a worker process died while it made variants",
            hint="Perhaps there was not enough memory: try fewer workers. The same command goes on.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_here: tuple[VariantMaker, Path] | None = None
"""What this worker process works with."""


def _begin(maker: VariantMaker, folder: Path) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here = (maker, folder)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run_here(job: Job, data: bytes) -> Result:
    assert _here is not None
    return _run(*_here, job, data)


def _run(maker: VariantMaker, folder: Path, job: Job, data: bytes) -> Result:
    files = {variant.name: file for variant, file in job.files}
    variants = [variant for variant, _ in job.files]
    rows = []
    try:
        with closing(maker.make(data, variants, job.marks)) as made:
            for each in made:
                rows.append(_row(job, each, files[each.variant.name]))
                _write(folder / rows[-1].file, each.data)
    except InputError as error:
        return Result(job=job, rows=tuple(rows), error=error)
    return Result(job=job, rows=tuple(rows))


def _row(job: Job, made: Made, file: str) -> FileRow:
    return FileRow(
        file=file,
        label=job.entry.label,
        group=job.entry.group,
        part=job.entry.part,
        parent=job.entry.sample_id,
        variant=made.variant.name,
        technique=made.variant.technique,
        parameters=json.dumps(made.parameters, sort_keys=True),
        marks="" if made.marks is None else json.dumps(made.marks, sort_keys=True),
        seed=f"{made.variant.seed:032x}",
        basis=job.basis,
        digest=content_digest(made.data),
        size_bytes=len(made.data),
    )


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror}", hint="Look at the disk; the same command goes on."
        ) from error
