"""One worker process from its start to its end, as the server sees it.

Three threads: the one that made it reads from it; one writes to it; one kills it when it hangs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from ab_testing.memory_trail import MemoryTrail
from ecosight.logs import get_logger
from serving.isolation.answers import ArmFault, read_answer
from serving.isolation.backlog import Backlog
from serving.isolation.frames import read_frame, write_frame

__all__ = ["NotLoaded", "Worker"]

LOAD_S = 120.0
"""A model that is not loaded by then is taken for one that hangs."""
MOST_ANSWER_BYTES = 1 << 22
LOOK_EVERY_S = 0.5
REMEMBERED = 60
"""Points of memory; told with every report, so that a new leader sees what came before it."""


class NotLoaded(Exception):
    """Why the process did not load the model; empty: it died over it."""


class Worker:
    """A process, and what it was asked.

    ``kill`` and ``rss_mb`` are thread-safe, and ``remember`` takes one thread at a time; the rest belongs to the thread
    that made it, which must outlive the process: the kernel kills it with that thread.

    Args:
        launch: what the process is told: ``config``, ``modality``, ``folder``, ``engine``, ``threads``, ``max_batch``.
    Raises: OSError: the machine has no process or descriptor left.
    """

    def __init__(self, name: str, launch: Mapping[str, Any], *, most_waiting: int, most_waiting_bytes: int) -> None:
        self.name = name
        self.backlog = Backlog(most=most_waiting, most_bytes=most_waiting_bytes)
        self._launch = {**launch, "server": os.getpid()}
        self._labels: tuple[str, ...] = ()
        self._memory = MemoryTrail(REMEMBERED)
        self._killing = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connection, theirs = socket.socketpair()
        module, _, _ = launch["modality"].partition(":")
        command = [sys.executable, "-m", "serving.isolated_start", str(theirs.fileno()), module]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL
                )
            except OSError:
                self._connection.close()
                raise
        self.pid = self._process.pid

    def load(self) -> None:
        """Wait until the model is loaded. Raises: NotLoaded."""
        self._connection.settimeout(LOAD_S)
        try:
            write_frame(self._connection, self._launch)
            frame = read_frame(self._connection, most_bytes=MOST_ANSWER_BYTES)
        except TimeoutError:
            raise NotLoaded(f"it was not loaded within {LOAD_S:.0f} s") from None
        except (OSError, ValueError) as error:
            raise NotLoaded(str(error) if isinstance(error, ValueError) else "") from error
        if frame is None:
            raise NotLoaded
        header, _ = frame
        try:
            if "failed" in header:
                raise NotLoaded(str(header["failed"]["message"]))
            self._labels = tuple(header["loaded"]["labels"])
        except (KeyError, TypeError) as error:
            raise NotLoaded(f"it said nothing that makes sense: {error!r}") from error
        self._connection.settimeout(None)

    def answer(self) -> None:
        """Hand it questions and take its answers, until it is gone or talks nonsense."""
        for work, what in ((self._write, "write"), (self._watch, "watch")):
            self._threads.append(threading.Thread(target=work, name=f"arm-{self.name}-{what}", daemon=True))
            self._threads[-1].start()
        while True:
            try:
                frame = read_frame(self._connection, most_bytes=MOST_ANSWER_BYTES)
            except OSError:
                return
            except ValueError as error:
                get_logger("serving").warning("isolated_arm_talks_nonsense", arm=self.name, error=str(error))
                return
            if frame is None:
                return
            header, body = frame
            self.backlog.answered(header.get("id"), read_answer(header, body, self._labels))

    def kill(self) -> None:
        """Kill it and whatever it started. Returns at once."""
        with self._killing:
            if not self._ended.is_set():
                self._kill()

    def end(self) -> str:
        """Kill it if it lives, and wait until it is gone. Returns: how it died."""
        with self._killing:  # nobody kills after this: the number may belong to another process
            # Also when it is dead already: until we wait for it the group keeps its number, and may have other members.
            self._kill()
            self._ended.set()
        code = self._process.wait()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # whoever still writes stops
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def close(self, fault: ArmFault) -> None:
        """After ``end``: whoever waits for an answer gets this."""
        self.backlog.close(fault)
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def rss_mb(self) -> float | None:
        """Resident memory of the process and of all that it started, in MiB; None when it is gone."""
        import psutil

        if self._ended.is_set():
            return None
        try:
            process = psutil.Process(self.pid)
            members = [process, *process.children(recursive=True)]
            return float(round(sum(map(_rss_bytes, members)) / 2**20, 2))
        except psutil.Error:
            return None

    def remember(self, rss_mb: float) -> list[tuple[float, float]]:
        """Note it for now. Returns: (seconds ago, MB) since this was first called."""
        now_s = time.monotonic()
        self._memory.note(now_s, rss_mb)
        return self._memory.told(now_s)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS may not signal the dead
            os.killpg(self.pid, signal.SIGKILL)

    def _write(self) -> None:
        while (item := self.backlog.next()) is not None:
            try:
                write_frame(self._connection, {"id": item[0]}, item[1])
            except OSError:
                return  # the reader sees the same

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            if self.backlog.hangs():
                get_logger("serving").warning("isolated_arm_hangs", arm=self.name, pid=self.pid)
                self.kill()
                return


def _rss_bytes(process: Any) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended while we counted
        return 0
