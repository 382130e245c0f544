"""Warms a worker process by the way that requests take: raw file, threads, engine.

The first answers of a process take twice as long as the others: decoders are imported, threads meet the engine for the
first time. Clients would wait for that, and a candidate would look slower than a control that answers since longer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from serving.batching import InferencePipeline

__all__ = ["warm_up"]

ROUNDS = 8


async def warm_up(pipeline: InferencePipeline, model: Any, *, threads: int) -> None:
    """Ask about the model's own examples, one by one and as many at once as there are threads.

    Args:
        model: a lease. A servable whose plug-in has no ``examples`` is left as it is.
    Raises: what the model raises: it cannot answer what it brought itself.
    """
    files = list(getattr(model.servable, "examples", tuple)())
    if not files:
        return
    for number in range(ROUNDS):
        await pipeline.submit(files[number % len(files)], model)
    await asyncio.gather(*(pipeline.submit(files[number % len(files)], model) for number in range(2 * threads)))
