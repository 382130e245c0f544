"""A server that is about to be killed: an isolated arm in a process of its own. FOLDER VERSION QUESTION."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from toy import ToySource, launch

from ecosight.clock import SystemClock
from serving.isolation import ArmFault, IsolatedArm


def main() -> None:
    folder, version, question = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    source = ToySource(folder)
    arm = IsolatedArm("candidate", source.ref(version), launch=launch(folder), fetch=source.fetch, clock=SystemClock())
    arm.start()
    while arm.figures()["pid"] is None or (question and arm.state == "loading"):
        time.sleep(0.02)
    if question:
        with contextlib.suppress(ArmFault):
            asyncio.run(arm.submit(question.encode(), 0.3))
    else:
        time.sleep(1)  # by now it loads
    print(arm.figures()["pid"], flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main()
