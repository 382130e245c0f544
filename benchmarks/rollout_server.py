"""A server of the benchmark's project that leaves something out, so that the cost of that can be seen.

python -m benchmarks.rollout_server CONFIG PORT bare     # no routing, no evidence, and predictions are not recorded
python -m benchmarks.rollout_server CONFIG PORT shared   # all arms of a rollout answer inside the server's process
python -m benchmarks.rollout_server CONFIG PORT whole    # as it comes
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ab_testing.strategies import base
from ecosight.config import load_config
from ecosight.rollouts import Arm
from ecosight.values import Prediction
from pipeline.server import serving_parts
from pipeline.wiring import open_workbench
from serving.parts import ServingParts
from serving.server import run_server


def main() -> None:
    file, port, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if kind == "shared":
        base.Arm = _shared  # type: ignore[misc, assignment]
    config = load_config(file, serving={"port": port})
    with open_workbench(config) as bench:
        parts = serving_parts(bench, config_file=file)
        run_server(_bare(parts) if kind == "bare" else parts)


def _shared(**fields: Any) -> Arm:
    return Arm(**{**fields, "isolated": False})


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
