"""Answers many requests with few inference calls: files are decoded by a few threads, and one inference thread
takes whatever is ready, up to a limit, without ever waiting for more (continuous batching).

Files come in on the event loop and results go back to it; nothing here blocks it. A file that cannot be decoded
fails alone; a call that fails is repeated one by one, so that a poisoned file fails alone too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
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
        self._max_batch, self._observe = max_batch, observe
        self._raw: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
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
        for inlet, threads in ((self._raw, self._decoders), (self._ready, self._workers)):
            for _ in threads:
                inlet.put(None)
            for thread in threads:
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
        return self._raw.qsize() + self._ready.qsize()

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
                item.sample_id = content_digest(item.data)
                item.data = b""
            except BaseException as error:
                _deliver([(item, error)])
            else:
                self._ready.put(item)

    def _infer(self) -> None:
        held: _Item | None = None  # taken from the queue, but meant for another model than the batch before it
        while (first := held or self._ready.get()) is not None:
            batch, held, last = self._fill(first)
            self._run(batch)
            if last:
                return

    def _fill(self, first: _Item) -> tuple[list[_Item], _Item | None, bool]:
        """What is ready now for the same model, the first that is not, and whether the end was seen."""
        batch = [first]
        while len(batch) < self._max_batch:
            try:
                item = self._ready.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, None, True
            if item.lease.servable is not first.lease.servable:
                return batch, item, False
            batch.append(item)
        return batch, None, False

    def _run(self, batch: list[_Item]) -> None:
        began = self._busy_since[threading.get_ident()] = time.monotonic()
        results = _predict(batch)
        del self._busy_since[threading.get_ident()]
        seconds = time.monotonic() - began
        self.seconds_per_file += 0.1 * (seconds / len(batch) - self.seconds_per_file)
        failed = sum(isinstance(result, BaseException) for _, result in results)
        _deliver(results)
        self._observe(BatchFigures(size=len(batch), seconds=seconds, failed=failed))


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
