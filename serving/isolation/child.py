"""The worker process: loads one model, answers frames until the server is gone. ``serving.isolated_start`` runs it.

It batches what waits, as the server does. It ends with the server however that ends: its end of the socket pair closes,
and the kernel kills it where even that goes unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecosight.config import Config
from ecosight.errors import EcosightError, InputError
from serving.batching import InferencePipeline
from serving.isolation.frames import read_frame, write_frame
from serving.isolation.warming import warm_up


class _Held:
    """The one model of this process; nobody takes it away, so a lease is the model itself."""

    def __init__(self, servable: Any) -> None:
        self.servable = servable

    def share(self) -> _Held:
        return self

    def release(self) -> None:
        pass


def main(loaded: Callable[[], None]) -> None:
    """Serve until the server is gone.

    Args:
        loaded: called when the model is loaded, before the first request.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal reaches the server, which then stops us
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)  # what the model starts must not keep it open
    frame = read_frame(connection)
    if frame is None:
        return
    wanted, _ = frame
    if os.getppid() != wanted["server"]:  # it died before we asked the kernel to die with it
        return
    try:
        servable = _load(wanted)
    except Exception as error:
        write_frame(connection, {"failed": _told(error)})
        return
    pipeline, model = InferencePipeline(max_batch=wanted["max_batch"], threads=wanted["threads"]), _Held(servable)
    pipeline.start()
    try:
        asyncio.run(warm_up(pipeline, model, threads=wanted["threads"]))
    except Exception as error:
        write_frame(connection, {"failed": _told(error)})
        os._exit(1)  # its threads may hang
    loaded()
    write_frame(connection, {"loaded": {"labels": list(servable.labels), "engine": servable.engine}})
    asyncio.run(_serve(connection, pipeline, model))
    os._exit(0)  # a model that hangs in one of the threads does not keep the process


def _told(error: Exception) -> dict[str, Any]:
    return error.as_dict() if isinstance(error, EcosightError) else {"message": f"{type(error).__name__}: {error}"}


def _load(wanted: dict[str, Any]) -> Any:
    config = Config.model_validate_json(wanted["config"])
    module, _, name = wanted["modality"].partition(":")
    modality = getattr(importlib.import_module(module), name)(config)
    servable = modality.load_servable(Path(wanted["folder"]), engine=wanted["engine"], threads=1)
    servable.warm()
    return servable


async def _serve(connection: socket.socket, pipeline: InferencePipeline, model: _Held) -> None:
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[tuple[dict[str, Any], bytes] | None] = asyncio.Queue()
    threading.Thread(target=_read, args=(connection, loop, frames), daemon=True).start()
    answering = set()
    while (frame := await frames.get()) is not None:
        task = asyncio.create_task(_answer(frame, connection, pipeline, model))
        answering.add(task)
        task.add_done_callback(answering.discard)


def _read(connection: socket.socket, loop: asyncio.AbstractEventLoop, frames: asyncio.Queue[Any]) -> None:
    while True:
        try:
            frame = read_frame(connection)
        except (OSError, ValueError):
            frame = None
        loop.call_soon_threadsafe(frames.put_nowait, frame)
        if frame is None:
            return


async def _answer(
    frame: tuple[dict[str, Any], bytes],
    connection: socket.socket,
    pipeline: InferencePipeline,
    model: _Held,
) -> None:
    header, data = frame
    body = b""
    try:
        answer = await pipeline.submit(data, model)
        told: dict[str, Any] = {"id": header["id"], "sample_id": answer.sample_id}
        body = answer.probabilities.astype("<f4").tobytes()
    except InputError as error:
        told = {"id": header["id"], "refused": error.as_dict()}
    except EcosightError as error:
        fault = "non_finite" if error.context.get("non_finite") else "error"
        told = {"id": header["id"], "fault": fault, "message": error.message}
    except Exception as error:
        told = {"id": header["id"], "fault": "error", "message": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(OSError):  # the server is gone; the reader sees the same
        write_frame(connection, told, body)
