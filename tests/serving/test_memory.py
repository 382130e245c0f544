"""Giving memory back."""

from __future__ import annotations

import subprocess
import sys
import threading

from serving.memory import MemoryKeeper

FREED = """
import time
import psutil
from serving.memory import MemoryKeeper

keeper, process = MemoryKeeper(every_s=600), psutil.Process()
keeper.start()
before = process.memory_info().rss
# Small pieces, every hundredth of which stays: no heap can be cut off at its end.
pieces = [bytes(8000) for _ in range(20_000)]
kept = pieces[::100]
full = process.memory_info().rss
del pieces
keeper.soon()
deadline = time.monotonic() + 30
while process.memory_info().rss > full - 80e6 and time.monotonic() < deadline:
    time.sleep(0.05)
print(full - before, full - process.memory_info().rss, len(kept))
keeper.stop()
"""


def test_memory_that_was_freed_goes_back_to_the_system() -> None:
    """In a process of its own: one that ran other tests before has memory to spare."""
    told = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, timeout=60, check=True).stdout
    taken, given_back, kept = map(int, told.split())
    assert taken > 100e6
    assert given_back > 80e6
    assert kept == 200


def test_stopping_ends_the_thread_at_once() -> None:
    keeper = MemoryKeeper(every_s=600)
    keeper.start()
    keeper.stop()
    keeper.stop()
    assert "memory-keeper" not in [thread.name for thread in threading.enumerate()]
