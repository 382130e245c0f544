"""The process of a rollback: each step once, in order, whoever dies in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rollback_world import World
from sample_incident import NEW, OLD, make_rollout

from ab_testing.ramps import Ramp
from ecosight.clock import SystemClock
from ecosight.errors import Unavailable
from ecosight.rollouts import Incident, Rollout
from ecosight.state.incidents import Incidents
from ecosight.testing.clock import ManualClock
from rollback.actions import Alert, ProbeReport
from rollback.executor import MOST_TRIES, STEPS, RollbackExecutor, next_step

HERE = Path(__file__).parent


class Dies(BaseException):
    """Ends a process, as far as Python can act it."""


class DyingWorld(World):
    def __init__(self, folder: Path, at: str, *, after: bool) -> None:
        super().__init__(folder)
        self._at, self._after = at, after

    def stop(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        return self._die("stop", lambda: super(DyingWorld, self).stop(rollout, incident))

    def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
        return self._die("restore", lambda: super(DyingWorld, self).restore(rollout, incident, percent))

    def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
        return self._die("verify", lambda: super(DyingWorld, self).probe(rollout, incident))

    def alert(self, rollout: Rollout, incident: Incident, alert: Alert) -> Mapping[str, Any]:
        return self._die("alert", lambda: super(DyingWorld, self).alert(rollout, incident, alert))

    def report(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        return self._die("report", lambda: super(DyingWorld, self).report(rollout, incident))

    def _die(self, step: str, act: Any) -> Any:
        if step == self._at and not self._after:
            raise Dies
        done = act()
        if step == self._at:
            raise Dies
        return done


def is_whole(world: World, incident: Incident) -> None:
    """Everything that a rollback is for has come about, once."""
    assert incident.closed_at is not None
    assert [(step["step"], step["status"]) for step in incident.steps] == [(step, "done") for step in STEPS]
    assert world.read("stopped") is True
    assert world.read("percent") == 0
    assert list(world.folder.glob("alert-*.json")) == [world.folder / f"alert-{incident.id}.json"]
    assert sorted(
        file.name for file in (world.folder / "reports").rglob("*") if file.is_file() and "draft" not in file.name
    ) == [
        "index.html",
        "report.json",
    ]


def test_a_rollback_takes_all_steps_in_order_and_closes_its_incident(incidents: Incidents, tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    incident = RollbackExecutor(incidents, world, clock=SystemClock(), writer="server-1").run(make_rollout())
    is_whole(world, incident)
    assert (incident.model, incident.restored) == (NEW, OLD)
    assert {step["details"]["by"] for step in incident.steps} == {"server-1"}
    assert incidents.list(10) == [incident]


@pytest.mark.parametrize("after", [False, True], ids=["before the action", "before its note"])
@pytest.mark.parametrize("step", STEPS[1:])
def test_another_executor_finishes_what_one_began(incidents: Incidents, tmp_path: Path, step: str, after: bool) -> None:
    folder, rollout = tmp_path / "world", make_rollout()
    first = RollbackExecutor(incidents, DyingWorld(folder, step, after=after), clock=SystemClock(), writer="first")
    with pytest.raises(Dies):
        first.run(rollout)
    world = World(folder)
    incident = RollbackExecutor(incidents, world, clock=SystemClock(), writer="second").run(rollout)
    is_whole(world, incident)
    writers = {each["step"]: each["details"]["by"] for each in incident.steps}
    assert writers == {each: "first" if STEPS.index(each) < STEPS.index(step) else "second" for each in STEPS}
    assert len(incidents.list(10)) == 1


def test_a_killed_executor_is_followed_by_one_that_finishes_at_every_point(
    killable: Killable, database_url: str, incidents: Incidents, tmp_path: Path
) -> None:
    """kill -9 before and after each effect and each write, in a process of its own."""
    last = killable(database_url, tmp_path / "counting", None)["points"]
    forget(incidents)
    assert last >= 2 * len(STEPS)
    for point in range(1, last + 1):
        folder = tmp_path / f"world-{point}"
        assert killable(database_url, folder, point)["code"] == -9, point
        world = World(folder)
        incident = RollbackExecutor(incidents, world, clock=SystemClock(), writer="second").run(make_rollout())
        is_whole(world, incident)
        assert len(incidents.list(10)) == 1
        forget(incidents)


def test_executors_that_run_at_once_leave_one_incident_with_each_step_once(
    incidents: Incidents, tmp_path: Path
) -> None:
    world, rollout, begin = World(tmp_path / "world"), make_rollout(), threading.Barrier(4)

    def run(number: int) -> None:
        begin.wait()
        RollbackExecutor(incidents, world, clock=SystemClock(), writer=f"server-{number}").run(rollout)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (incident,) = incidents.list(10)
    is_whole(world, incident)


def test_a_rollback_that_is_over_is_not_done_again(incidents: Incidents, tmp_path: Path) -> None:
    rollout = make_rollout()
    before = RollbackExecutor(incidents, World(tmp_path / "world"), clock=SystemClock()).run(rollout)
    again = RollbackExecutor(incidents, World(tmp_path / "other"), clock=SystemClock())
    assert again(rollout)
    assert again.open(rollout) == before
    assert next_step(before) is None
    assert not list((tmp_path / "other").iterdir())


def test_failed_probes_are_tried_again_with_growing_pauses_then_given_up_and_told_as_critical(
    incidents: Incidents, tmp_path: Path
) -> None:
    class Deaf(World):
        def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
            return ProbeReport(sent=3, answered=1, restored=1, failures=("http://b refused",))

    clock, world = ManualClock(), Deaf(tmp_path / "world")
    incident = RollbackExecutor(incidents, world, clock=clock).run(make_rollout())
    assert [(each["step"], each["status"]) for each in incident.steps][3:] == [
        ("verify", "given_up"),
        ("alert", "done"),
        ("report", "done"),
    ]
    assert incident.steps[3]["details"]["tries"] == MOST_TRIES
    assert clock.monotonic() == pytest.approx(sum(0.5 * 2**n for n in range(MOST_TRIES - 1)), abs=0.2)
    assert world.read(f"alert-{incident.id}")["severity"] == "critical"
    assert incident.report["verified"] is False


def test_an_alert_that_cannot_be_sent_does_not_keep_the_report_from_being_made(
    incidents: Incidents, tmp_path: Path
) -> None:
    class NoMail(World):
        def alert(self, rollout: Rollout, incident: Incident, alert: Alert) -> Mapping[str, Any]:
            raise OSError("no route to the mail server")

    incident = RollbackExecutor(incidents, NoMail(tmp_path / "world"), clock=ManualClock()).run(make_rollout())
    told = {each["step"]: each for each in incident.steps}
    assert told["alert"]["status"] == "given_up"
    assert "no route" in told["alert"]["details"]["error"]
    assert told["report"]["status"] == "done"


def test_a_report_that_cannot_be_written_leaves_a_closed_incident_that_says_so(
    incidents: Incidents, tmp_path: Path
) -> None:
    class FullDisk(World):
        def report(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
            raise Unavailable("no space left on the device")

    incident = RollbackExecutor(incidents, FullDisk(tmp_path / "world"), clock=ManualClock()).run(make_rollout())
    assert incident.closed_at is not None
    assert incident.steps[-1]["status"] == "given_up"
    assert not incident.report


def test_the_old_model_is_asked_for_until_it_answers_however_often_that_fails(
    incidents: Incidents, tmp_path: Path
) -> None:
    class Stubborn(World):
        tries = 0

        def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
            self.tries += 1
            if self.tries <= 3 * MOST_TRIES:
                raise Unavailable("the database is locked")
            return super().restore(rollout, incident, percent)

    world = Stubborn(tmp_path / "world")
    is_whole(world, RollbackExecutor(incidents, world, clock=ManualClock()).run(make_rollout()))


def test_a_turn_never_waits_so_a_leader_keeps_its_lease(incidents: Incidents, tmp_path: Path) -> None:
    class Deaf(World):
        def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
            return ProbeReport(sent=1, answered=0, restored=0)

    clock = ManualClock()
    executor = RollbackExecutor(incidents, Deaf(tmp_path / "world"), clock=clock)
    assert executor(make_rollout()) is False
    assert clock.monotonic() == 0.0
    assert executor.wait_s(make_rollout(), executor.open(make_rollout())) == pytest.approx(0.5)


def test_a_canary_rollback_goes_down_step_by_step_and_is_taken_up_where_it_stood(
    incidents: Incidents, tmp_path: Path
) -> None:
    class Watched(World):
        def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
            seen.append((percent, clock.monotonic()))
            return super().restore(rollout, incident, percent)

    seen: list[tuple[float, float]] = []
    ramp = Ramp(mode="canary", percents=(25.0, 5.0, 0.0), step_s=30.0)
    clock, rollout = ManualClock(), make_rollout(way_back=ramp.as_dict())
    first = RollbackExecutor(incidents, Watched(tmp_path / "world"), clock=clock)
    assert first(rollout) is False
    assert seen == [(25.0, 0.0)]
    # Whoever takes over knows nothing but what the rollout and the incident say.
    incident = RollbackExecutor(incidents, Watched(tmp_path / "world"), clock=clock).run(rollout)
    assert [percent for percent, _ in seen] == [25.0, 5.0, 0.0]
    assert seen[-1][1] == pytest.approx(60.0, abs=0.1)
    assert [each["step"] for each in incident.steps] == [
        "detect",
        "stop",
        *["restore"] * 3,
        "verify",
        "alert",
        "report",
    ]


def test_a_clock_that_is_set_back_does_not_stop_a_rollback(incidents: Incidents, tmp_path: Path) -> None:
    class Deaf(World):
        def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
            return ProbeReport(sent=1, answered=0, restored=0)

    clock = ManualClock()
    executor = RollbackExecutor(incidents, Deaf(tmp_path / "world"), clock=clock)
    executor(make_rollout())
    clock.jump(-86_400)
    assert executor.wait_s(make_rollout(), executor.open(make_rollout())) <= 0.5


class Killable:
    """Rollbacks in processes that can be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, database_url: str, folder: Path, kill_at: int | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"database": database_url, "folder": str(folder), "kill_at": kill_at}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture
def killable() -> Iterator[Killable]:
    script = [sys.executable, str(HERE / "killable_rollback.py")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        yield Killable(process)


def forget(incidents: Incidents) -> None:
    """Let the next round begin without an incident."""
    from sqlalchemy import delete

    from ecosight.state.schema import incidents as table

    with incidents._database.begin() as connection:
        connection.execute(delete(table))
