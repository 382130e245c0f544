"""Giving memory back."""

from __future__ import annotations

import threading

import psutil
from waiting import wait_until

from serving.memory import MemoryKeeper


def test_memory_that_was_freed_goes_back_to_the_system():
    keeper = MemoryKeeper(every_s=600)
    keeper.start()
    process = psutil.Process()
    before = process.memory_info().rss
    # Small pieces, every hundredth of which stays: no heap can be cut off at its end.
    pieces = [bytes(8000) for _ in range(20_000)]
    kept = pieces[::100]
    full = process.memory_info().rss
    assert full - before > 100e6
    del pieces
    keeper.soon()
    wait_until(lambda: process.memory_info().rss < full - 80e6)
    keeper.stop()
    assert len(kept) == 200


def test_stopping_ends_the_thread_at_once():
    keeper = MemoryKeeper(every_s=600)
    keeper.start()
    keeper.stop()
    keeper.stop()
    assert "memory-keeper" not in [thread.name for thread in threading.enumerate()]
