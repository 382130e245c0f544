"""Answers many requests with few inference calls. A few threads, one a core, do both kinds of work: decode a file,
then, as soon as a batch is full or nothing else waits, run the model over what is decoded (continuous batching:
nobody ever waits for company). So there are never more busy threads than cores, and never more than about a batch
of decoded files, which are many times larger than the files themselves.

Files come in on the event loop and results go back to it; nothing here blocks it. A file that cannot be decoded
fails alone; a call that fails is repeated one by one, so that a poisoned file fails alone too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ecosight.errors import EcosightError, Unavailable
from ecosight.ids import content_digest
from ecosight.logs import get_logger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ecosight.ports import Servable

__all__ = ["Answer", "BatchFigures", "InferencePipeline", "ModelLease"]

READY_BYTES = 64 * 2**20
"""Decoded files that wait for inference, or go into one call, hold about this much; one file may hold more."""


class ModelLease(Protocol):
    """The right to use one loaded model until it is released."""

    @property
    def servable(self) -> Servable: ...

    def share(self) -> ModelLease:
        """A second lease of the same model, with its own release."""
        ...

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said about one file: its SHA-256, and float32 (classes,) in the order of the labels."""

    sample_id: str
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFigures:
    """One inference call, for the metrics."""

    size: int
    seconds: float
    failed: int


@dataclass(slots=True, eq=False)
class _Item:
    data: bytes
    lease: ModelLease
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Answer]
    sample_id: str = ""
    prepared: Any = None
    prepared_bytes: int = 0


class InferencePipeline:
    """Threads between the event loop and the model.

    Args:
        max_batch: most files of one inference call.
        threads: how many; decoders and engines release the GIL.
        observe: told about every inference call, on the thread that made it.
    """

    def __init__(
        self, *, max_batch: int, threads: int = 2, observe: Callable[[BatchFigures], None] = lambda _: None
    ) -> None:
        self._max_batch, self._observe = max_batch, observe
        self._raw: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._ready: deque[_Item] = deque()
        self._ready_bytes = self._running = 0
        self._lock = threading.Lock()  # around the ready ones; the event loop never takes it
        self._threads = [threading.Thread(target=self._work, name=f"pipeline-{n}", daemon=True) for n in range(threads)]
        self._busy_since: dict[int, float] = {}
        self._stopped = False
        self.seconds_per_file = 0.01
        """Moving average of what one file costs the model."""

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the threads. Later submissions fail."""
        self._stopped = True
        for _ in self._threads:
            self._raw.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def submit(self, data: bytes, lease: ModelLease) -> asyncio.Future[Answer]:
        """Queue one file; called on the event loop. The pipeline holds its own lease of the model meanwhile.

        Raises (from the future): InputError: the file is not acceptable. Unavailable: the server is stopping.
        """
        if self._stopped:
            raise Unavailable("the server is stopping", hint="Try again in a moment.")
        loop = asyncio.get_running_loop()
        item = _Item(data, lease.share(), loop, loop.create_future())
        self._raw.put(item)
        return item.future

    @property
    def waiting(self) -> int:
        """Files that wait for a thread, now."""
        return self._raw.qsize() + len(self._ready)

    def stalled_s(self) -> float:
        """How long the oldest inference call has been running, in seconds; 0 when none is."""
        began = min(self._busy_since.copy().values(), default=None)
        return 0.0 if began is None else time.monotonic() - began

    # -- threads -----------------------------------------------------------------------------------

    def _work(self) -> None:
        more = True
        while more:
            item = self._raw.get()
            more = item is not None
            try:
                if item is not None:
                    self._decode(item)
                while batch := self._due():
                    self._run(batch)
            except Exception:  # a fault around the model: the thread must live, or the server would hang
                get_logger("serving").exception("pipeline_fault")

    def _decode(self, item: _Item) -> None:
        try:
            item.prepared = item.lease.servable.prepare(item.data)
            item.prepared_bytes = getattr(item.prepared, "nbytes", len(item.data))
            item.sample_id = content_digest(item.data)
            item.data = b""
        except Exception as error:
            _deliver([(item, error)])
            return
        with self._lock:
            self._ready.append(item)
            self._ready_bytes += item.prepared_bytes

    def _due(self) -> list[_Item]:
        """A batch for one model, if it is time for one.

        What is left behind is never forgotten: it is left only while something raw waits, and whoever takes that
        looks here again afterwards.
        """
        with self._lock:
            # While a call runs, decoding for the next one is the better use of another thread: some engines take
            # one call at a time. But it must not run ahead without limit.
            batches = 2 if self._running else 1
            full = len(self._ready) >= batches * self._max_batch or self._ready_bytes >= batches * READY_BYTES
            if not self._ready or not (full or self._raw.empty() or self._stopped):
                return []
            self._running += 1
            batch = [self._ready.popleft()]
            size = batch[0].prepared_bytes
            while self._ready and len(batch) < self._max_batch and size < READY_BYTES:
                if self._ready[0].lease.servable is not batch[0].lease.servable:
                    break
                batch.append(self._ready.popleft())
                size += batch[-1].prepared_bytes
            self._ready_bytes -= size
            return batch

    def _run(self, batch: list[_Item]) -> None:
        began = self._busy_since[threading.get_ident()] = time.monotonic()
        results = _predict(batch)
        del self._busy_since[threading.get_ident()]
        with self._lock:
            self._running -= 1
        seconds = time.monotonic() - began
        self.seconds_per_file += 0.1 * (seconds / len(batch) - self.seconds_per_file)
        failed = sum(isinstance(result, Exception) for _, result in results)
        _deliver(results)
        self._observe(BatchFigures(size=len(batch), seconds=seconds, failed=failed))


def _predict(batch: Sequence[_Item]) -> list[tuple[_Item, Answer | Exception]]:
    """One call for all; after a fault, one call each."""
    try:
        rows = _checked_rows(batch)
    except Exception as error:
        if len(batch) == 1:
            return [(batch[0], error)]
        return [result for item in batch for result in _predict([item])]
    return [(item, Answer(sample_id=item.sample_id, probabilities=row)) for item, row in zip(batch, rows, strict=True)]


def _checked_rows(batch: Sequence[_Item]) -> NDArray[np.float32]:
    import numpy as np

    servable = batch[0].lease.servable
    rows = servable.predict([item.prepared for item in batch])
    if rows.shape != (len(batch), len(servable.labels)):
        raise EcosightError(f"the model gave {rows.shape} values for {len(batch)} files")
    if not np.isfinite(rows).all():
        raise EcosightError("the model gave values that are not finite", non_finite=True)
    return rows


def _deliver(results: Sequence[tuple[_Item, Answer | Exception]]) -> None:
    """Hand results back, in one call a loop (in practice there is one loop), and end the leases."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Exception]]] = {}
    for item, result in results:
        item.lease.release()
        by_loop.setdefault(item.loop, []).append((item.future, result))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(settled: Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    for future, result in settled:
        if future.done():  # the request was cancelled
            continue
        if isinstance(result, StopIteration):  # no future takes one
            future.set_exception(RuntimeError(repr(result)))
        elif isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
