"""Rolls back in processes forked from this one, and kills them with SIGKILL at the point that is asked for.

Reads one JSON object a line: ``{"database": url, "folder": …, "kill_at": 7}``; answers with the exit code of the
process, or, without ``kill_at``, with how many points it passed. A point lies before and after each effect and before
and after each write to the incident.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from rollback_world import World
from sample_incident import make_rollout

from ecosight.clock import SystemClock
from ecosight.logs import configure_logging
from ecosight.rollouts import Incident
from ecosight.state import open_database
from ecosight.state.incidents import Incidents
from rollback.executor import RollbackExecutor


class Points:
    def __init__(self, kill_at: int | None) -> None:
        self.passed, self._kill_at = 0, kill_at

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class PunctuatedIncidents(Incidents):
    """The real store, with a point before and after each write."""

    points: Points

    def add(self, incident: Incident) -> Any:
        self.points()
        added = super().add(incident)
        self.points()
        return added

    def save(self, incident: Incident, expected_revision: int) -> Incident:
        self.points()
        saved = super().save(incident, expected_revision)
        self.points()
        return saved


def roll_back(request: dict[str, Any]) -> int:
    points = Points(request.get("kill_at"))
    database = open_database(request["database"])
    store = PunctuatedIncidents(database)
    store.points = points
    world = World(Path(request["folder"]), points)
    executor = RollbackExecutor(store, world, clock=SystemClock(), writer="first")
    assert executor.run(make_rollout()).closed_at is not None
    database.close()
    return points.passed


def main() -> None:
    configure_logging()  # to standard error: answers alone go to standard output
    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.write(writer, str(roll_back(request)).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        told = os.read(reader, 100).decode()
        os.close(reader)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"code": code, "points": int(told) if told else None}), flush=True)


if __name__ == "__main__":
    main()
