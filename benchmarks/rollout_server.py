"""A server of the benchmark's project that leaves something out, or whose candidates are slow, to see what that does.

python -m benchmarks.rollout_server CONFIG PORT bare     # no routing, no evidence, and predictions are not recorded
python -m benchmarks.rollout_server CONFIG PORT shared   # all arms of a rollout answer inside the server's process
python -m benchmarks.rollout_server CONFIG PORT whole    # as it comes
python -m benchmarks.rollout_server CONFIG PORT twice    # whole, but each answer of a candidate takes twice as long
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ab_testing.strategies import base
from ecosight.config import load_config
from ecosight.rollouts import CANDIDATE, Arm
from ecosight.values import Prediction
from pipeline.server import serving_parts
from pipeline.wiring import open_workbench
from serving.isolation.answers import IsolatedAnswer
from serving.isolation.arm import IsolatedArm
from serving.parts import ServingParts
from serving.server import run_server


def main() -> None:
    file, port, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if kind == "shared":
        base.Arm = _shared  # type: ignore[misc, assignment]
    if kind == "twice":
        IsolatedArm.submit = _twice  # type: ignore[method-assign]
    config = load_config(file, serving={"port": port})
    with open_workbench(config) as bench:
        parts = serving_parts(bench, config_file=file)
        run_server(_bare(parts) if kind == "bare" else parts)


def _shared(**fields: Any) -> Arm:
    return Arm(**{**fields, "isolated": False})


_submit = IsolatedArm.submit


async def _twice(arm: IsolatedArm, data: bytes, deadline_s: float) -> IsolatedAnswer:
    began = time.monotonic()
    answer = await _submit(arm, data, deadline_s)
    if arm.name == CANDIDATE:
        await asyncio.sleep(time.monotonic() - began)
    return answer


def _bare(parts: ServingParts) -> ServingParts:
    log: Any = _Unlogged(parts.predictions)
    return replace(parts, routings=None, servers=None, exposures=None, background=(), predictions=log)


class _Unlogged:
    """A log of predictions that keeps none."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def append(self, prediction: Prediction) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


if __name__ == "__main__":
    main()
