"""Answers many requests with few inference calls: files are decoded by a few threads, and one inference thread
takes whatever is ready, up to a limit, without ever waiting for more (continuous batching).

Files come in on the event loop and results go back to it; nothing here blocks it. A file that cannot be decoded
fails alone; a call that fails is repeated one by one, so that a poisoned file fails alone too. Decoding stays about
one batch ahead: decoded files are many times larger than the files themselves.
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


class _Ready:
    """Decoded files in the order of their coming; full at ``max_batch`` of them, or at ``READY_BYTES``."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._items: deque[_Item] = deque()
        self._bytes, self._closed = 0, False
        self._lock = threading.Lock()
        self._some, self._room = threading.Condition(self._lock), threading.Condition(self._lock)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: _Item) -> None:
        """Add one; waits while it is full."""
        with self._lock:
            while self._items and (len(self._items) >= self._max_batch or self._bytes >= READY_BYTES):
                self._room.wait()
            self._items.append(item)
            self._bytes += item.prepared_bytes
            self._some.notify()

    def take(self) -> list[_Item]:
        """What is there for one model, up to a batch; waits for the first. Empty once closed and drained."""
        with self._lock:
            while not self._items and not self._closed:
                self._some.wait()
            batch: list[_Item] = []
            size = 0
            while self._items and len(batch) < self._max_batch and (size < READY_BYTES or not batch):
                if batch and self._items[0].lease.servable is not batch[0].lease.servable:
                    break
                batch.append(self._items.popleft())
                size += batch[-1].prepared_bytes
            self._bytes -= size
            self._room.notify_all()
            if self._items:  # for another inference thread
                self._some.notify()
            return batch

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._some.notify_all()


class InferencePipeline:
    """Two stages of threads: decoding, then inference.

    Args:
        max_batch: most files of one inference call.
        decode_threads: files that are decoded at once; decoders release the GIL.
        inference_threads: calls that run at once; one is right for an engine that uses all cores itself.
        observe: told about every inference call, on the inference thread.
    """

    def __init__(
        self,
        *,
        max_batch: int,
        decode_threads: int = 2,
        inference_threads: int = 1,
        observe: Callable[[BatchFigures], None] = lambda _: None,
    ) -> None:
        self._observe = observe
        self._raw: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._ready = _Ready(max_batch)
        self._decoders = [self._thread(self._decode, f"decode-{n}") for n in range(decode_threads)]
        self._workers = [self._thread(self._infer, f"inference-{n}") for n in range(inference_threads)]
        self._busy_since: dict[int, float] = {}
        self._stopped = False
        self.seconds_per_file = 0.01
        """Moving average of what one file costs the inference stage."""

    def start(self) -> None:
        for thread in (*self._decoders, *self._workers):
            thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the threads. Later submissions fail."""
        self._stopped = True
        for _ in self._decoders:
            self._raw.put(None)
        _join(self._decoders)
        self._ready.close()
        _join(self._workers)

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

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread(target=target, name=name, daemon=True)

    def _decode(self) -> None:
        while (item := self._raw.get()) is not None:
            try:
                item.prepared = item.lease.servable.prepare(item.data)
                item.prepared_bytes = getattr(item.prepared, "nbytes", len(item.data))
                item.sample_id = content_digest(item.data)
                item.data = b""
            except BaseException as error:
                _deliver([(item, error)])
            else:
                self._ready.put(item)

    def _infer(self) -> None:
        while batch := self._ready.take():
            self._run(batch)

    def _run(self, batch: list[_Item]) -> None:
        began = self._busy_since[threading.get_ident()] = time.monotonic()
        results = _predict(batch)
        del self._busy_since[threading.get_ident()]
        seconds = time.monotonic() - began
        self.seconds_per_file += 0.1 * (seconds / len(batch) - self.seconds_per_file)
        failed = sum(isinstance(result, BaseException) for _, result in results)
        _deliver(results)
        self._observe(BatchFigures(size=len(batch), seconds=seconds, failed=failed))


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        if thread.ident is not None:
            thread.join()


def _predict(batch: Sequence[_Item]) -> list[tuple[_Item, Answer | BaseException]]:
    """One call for all; after a fault, one call each."""
    try:
        rows = _checked_rows(batch)
    except BaseException as error:
        if len(batch) == 1:
            return [(batch[0], error)]
        return [result for item in batch for result in _predict([item])]
    return [(item, Answer(sample_id=item.sample_id, probabilities=row)) for item, row in zip(batch, rows, strict=True)]


def _checked_rows(batch: Sequence[_Item]) -> NDArray[np.float32]:
    import numpy as np

    servable = batch[0].lease.servable
    rows = servable.predict([item.prepared for item in batch])
    if rows.shape != (len(batch), len(servable.labels)) or not np.isfinite(rows).all():
        raise EcosightError(f"the model gave no probabilities but {rows.shape} values, or some that are not finite")
    return rows


def _deliver(results: Sequence[tuple[_Item, Answer | BaseException]]) -> None:
    """Hand results back, in one call a loop (in practice there is one loop), and end the leases."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | BaseException]]] = {}
    for item, result in results:
        item.lease.release()
        by_loop.setdefault(item.loop, []).append((item.future, result))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(settled: Sequence[tuple[asyncio.Future[Answer], Answer | BaseException]]) -> None:
    for future, result in settled:
        if future.done():  # the request was cancelled
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
