"""Work behind the scenes yields the processor, and leaves nothing slow behind."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from serving.urgency import NICENESS, GentleWork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="urgency belongs to threads on Linux only")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_work_runs_with_less_urgency_and_the_caller_keeps_his() -> None:
    before = niceness()
    done = GentleWork(niceness)
    assert (done.result, done.left_slow, niceness()) == (NICENESS, False, before)


def test_threads_that_the_work_starts_get_the_usual_urgency_again_or_it_is_told() -> None:
    told, over = [], threading.Event()

    def stay() -> None:
        over.wait(10)
        told.append(niceness())

    started, usual = threading.Thread(target=stay), niceness()
    done = GentleWork(started.start)
    over.set()
    started.join()
    assert done.left_slow == (told[0] != usual)
    if os.geteuid() == 0:
        assert told == [niceness()]


def test_what_the_work_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        GentleWork(lambda: 1 // 0)
