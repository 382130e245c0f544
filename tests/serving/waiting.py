"""Waits for something that happens on another thread."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(claim: Callable[[], object], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)
