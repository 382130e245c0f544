"""The process of a rollback as a machine of six steps that anybody may go on with: all it knows is in the incident.

detect → stop → restore → verify → alert → report. A step acts first and is noted then; an executor that dies between
the two is followed by one that acts again, and every action is written so that twice is once. The champion is asked
for before anything that may fail or take time, and what fails later never stands in the way of the end: a probe, an
alert or a report that does not come about is tried again with growing pauses, then given up, noted, and told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ab_testing.ramps import Ramp, immediate_ramp
from ecosight.errors import Conflict, EcosightError
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import Incident, Rollout
from rollback.actions import IncidentStore, RollbackActions
from rollback.alerts import alert_of
from rollback.incidents import IncidentLogger, StepStatus, incident_id

__all__ = ["STEPS", "RollbackExecutor", "next_step", "restored_percent"]

STEPS = ("detect", "stop", "restore", "verify", "alert", "report")
NEVER_GIVEN_UP = ("stop", "restore")
MOST_TRIES = 6
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
TURN_S = 1.0
"""One call works for about so long: who leads has a lease to renew."""

TriggerOf = Callable[[Rollout], Mapping[str, Any]]


class RollbackExecutor:
    """Takes models back. Several may run at once over the same store; each effect then comes about once.

    Args:
        trigger_of: why a rollout is being taken back; asked once, when its incident is opened.
        writer: this process, for the record.
    """

    def __init__(
        self,
        store: IncidentStore,
        actions: RollbackActions,
        *,
        clock: Clock,
        trigger_of: TriggerOf | None = None,
        writer: str = "",
    ) -> None:
        self.incidents = IncidentLogger(store, clock=clock, writer=writer)
        self._store, self._actions, self._clock = store, actions, clock
        self._trigger_of = trigger_of or _by_hand

    def __call__(self, rollout: Rollout) -> bool:
        """Go on with a rollback for about a second, without waiting for anything. Returns: whether it is over."""
        began = self._clock.monotonic()
        incident = self.open(rollout)
        while incident.closed_at is None:
            if self.wait_s(rollout, incident) > 0:
                return False
            incident = self.advance(rollout, incident)
            if self._clock.monotonic() - began > TURN_S:
                break
        return incident.closed_at is not None

    def run(self, rollout: Rollout) -> Incident:
        """Go on until it is over, with the pauses in between."""
        while not self(rollout):
            self._clock.sleep(max(0.01, self.wait_s(rollout, self.open(rollout))))
        return self.open(rollout)

    def open(self, rollout: Rollout) -> Incident:
        """The rollout's incident; made if there is none yet."""
        known = self._store.get(incident_id(rollout.id))
        if known is not None:
            return known
        return self.incidents.open(rollout, self._trigger_of(rollout), {"ramp": _ramp_of(rollout).as_dict()})

    def advance(self, rollout: Rollout, incident: Incident) -> Incident:
        """Do the next step and note it. Returns: the incident as it is then, whoever brought it there."""
        step = next_step(incident)
        if step is None:
            return incident
        try:
            status, details = self._do(step, rollout, incident)
        except EcosightError as error:
            status, details = "failed", {"error": error.message}
        except Exception as error:
            get_logger("rollback").exception("rollback step raised", step=step, incident=incident.id)
            status, details = "failed", {"error": f"{type(error).__name__}: {error}"}
        try:
            return self._note(step, incident, status, details)
        except Conflict:  # another executor wrote this step first
            return self.incidents.get(incident.id)

    def wait_s(self, rollout: Rollout, incident: Incident) -> float:
        """Seconds until the next step is due; 0: now."""
        step = next_step(incident)
        if step is None or not incident.steps:
            return 0.0
        last = incident.steps[-1]
        pause = 0.0
        if last["step"] == step and last["status"] == "failed":
            tries = int(last["details"].get("tries", 1))
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries - 1, 10))
        elif step == "restore" and last["step"] == "restore":
            pause = _ramp_of(rollout).step_s
        # A clock that was set back makes nobody wait longer than the pause itself.
        due = datetime.fromisoformat(last["at"]) + timedelta(seconds=pause)
        return min(pause, max(0.0, (due - self._clock.now()).total_seconds()))

    def _do(self, step: str, rollout: Rollout, incident: Incident) -> tuple[StepStatus, Mapping[str, Any]]:
        match step:
            case "stop":
                return "done", self._actions.stop(rollout, incident)
            case "restore":
                percent = _next_percent(rollout, incident)
                return "done", {**self._actions.restore(rollout, incident, percent), "percent": percent}
            case "verify":
                probes = self._actions.probe(rollout, incident)
                why = {} if probes.passed else {"error": "the probes were not answered by the restored model"}
                return "done" if probes.passed else "failed", {**probes.as_dict(), **why}
            case "alert":
                return "done", self._actions.alert(rollout, incident, alert_of(rollout, incident))
            case _:
                return "done", self._actions.report(rollout, incident)

    def _note(self, step: str, incident: Incident, status: StepStatus, details: Mapping[str, Any]) -> Incident:
        if status == "failed":
            tries = _tries(step, incident) + 1
            details = {**details, "tries": tries}
            if tries >= MOST_TRIES and step not in NEVER_GIVEN_UP:
                status = "given_up"
        get_logger("rollback").info("rollback step", step=step, status=status, incident=incident.id)
        if step == "report" and status != "failed":
            return self.incidents.close(incident, status, details)
        return self.incidents.note(incident, step, status, details)


def next_step(incident: Incident) -> str | None:
    """The step that comes next; None: it is over. A pure function of the record."""
    if incident.closed_at is not None:
        return None
    ended = {each["step"] for each in incident.steps if each["status"] != "failed"}
    if "restore" in ended and restored_percent(incident) != 0:
        ended -= {"restore"}
    return next((step for step in STEPS if step not in ended), None)


def restored_percent(incident: Incident) -> float | None:
    """What the model still answers, as far as the way back was gone; None: not a step of it yet."""
    done = [each for each in incident.steps if each["step"] == "restore" and each["status"] == "done"]
    return float(done[-1]["details"]["percent"]) if done else None


def _next_percent(rollout: Rollout, incident: Incident) -> float:
    reached = restored_percent(incident)
    percents = _ramp_of(rollout).percents
    return next((percent for percent in percents if reached is None or percent < reached), 0.0)


def _ramp_of(rollout: Rollout) -> Ramp:
    """The way back stands in the rollout's row: who goes on with it goes on the same way, until the row says "at once".

    How far it was gone stands in the incident.
    """
    return Ramp.from_dict(rollout.way_back) if rollout.way_back else immediate_ramp()


def _tries(step: str, incident: Incident) -> int:
    last = incident.steps[-1] if incident.steps else None
    if last is None or last["step"] != step or last["status"] != "failed":
        return 0
    return int(last["details"].get("tries", 1))


def _by_hand(rollout: Rollout) -> Mapping[str, Any]:
    return {"name": "manual", "kind": "manual", "rule": "an operator asked for it", "observed": rollout.outcome}
