"""Starts a worker process without disturbing those who answer: imports and loads with little urgency, then serves.

Half a second of imports in each of several processes is felt by every client of a small machine. A process that made
itself less urgent could not go back without privileges; two things can. On Linux urgency belongs to threads, so a
thread of its own imports. And where the kernel shares the processor among sessions first (``autogroup``), the urgency
of the session counts, which may be set back.

    python -m serving.isolated_start SOCKET MODULE

Imported by nobody, and importing nothing large before it is in that thread.
"""

import contextlib
import ctypes
import signal
import sys
import threading
import time

from serving.urgency import NICENESS, yield_to_others

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _import(names: list[str]) -> None:
    from importlib import import_module

    yield_to_others()
    for name in names:
        import_module(name)


def _set_urgency_of_session(niceness: int) -> None:
    for _ in range(20):
        with contextlib.suppress(BlockingIOError):  # the kernel takes one such wish in a tenth of a second
            try:
                with open("/proc/self/autogroup", "w") as file:
                    file.write(str(niceness))
            except FileNotFoundError:
                pass
            return
        time.sleep(0.05)


if __name__ == "__main__":
    _die_with_parent()
    _set_urgency_of_session(NICENESS)
    importing = threading.Thread(target=_import, args=(["serving.isolation.child", *sys.argv[2:]],))
    importing.start()
    importing.join()
    from serving.isolation.child import main

    main(loaded=lambda: _set_urgency_of_session(0))
