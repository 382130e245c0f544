"""The actions of a rollback on a running system: over the stores of rollouts, and what the wiring hands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ab_testing.plan import after_abort, at_most, is_in_force, next_routing
from ecosight.errors import Conflict, EcosightError, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import Incident, Rollout
from ecosight.state.database import Database
from ecosight.state.exposures import Exposures
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.values import ModelRef
from rollback.actions import Alert, ProbeReport
from rollback.causes import looked_again, trigger_of
from rollback.facts import read_facts
from rollback.publishing import plain_report, publish_report
from rollback.report import Look, Material, build_report

__all__ = ["LiveActions", "Prober", "Teller"]

Prober = Callable[[ModelRef], ProbeReport]
"""Sends requests as a client would and counts the answers of this model."""
Teller = Callable[[Alert], Sequence[str]]
"""Tells operators; returns the channels that took it."""
DatasetDiff = Callable[[ModelRef, ModelRef], Mapping[str, Any] | None]
ACTOR = "rollback"
MOST_DECISIONS = 2_000


def tell_log(alert: Alert) -> Sequence[str]:
    """The alert as a line of the log, where alerts of every kind are found."""
    log = get_logger("alerts")
    (log.error if alert.severity == "critical" else log.warning)(alert.title, text=alert.text, key=alert.key)
    return ("log",)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveActions:
    """``RollbackActions`` over the stores. Thread-safe as those are.

    Attributes:
        prober: asks the restored model.
        folder: where reports are written.
        tell: one function for all channels.
        dataset_diff: between the training data of two models (restored, taken back); None: not known here. What it
            cannot tell it says under ``unknown``.
        config_hash: of the configuration in force.
    """

    database: Database
    rollouts: RolloutStore
    routings: RoutingStore
    servers: Servers
    exposures: Exposures
    clock: Clock
    prober: Prober
    folder: Path
    tell: Teller = field(default=tell_log)
    dataset_diff: DatasetDiff | None = None
    config_hash: str = ""

    def trigger_of(self, rollout: Rollout) -> Mapping[str, Any]:
        """For the executor: why this rollout is being taken back."""
        return trigger_of(rollout, self.rollouts.decisions(rollout.id, MOST_DECISIONS))

    def stop(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        current = self.rollouts.get(rollout.id)
        if current is not None and not current.finished and current.state != "rolling_back":
            self.rollouts.save(replace(current, state="rolling_back"), current.revision)
        return {"state": "rolling_back"}

    def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
        current, row = self.routings.current(), self.rollouts.get(rollout.id)
        if current is not None and row is not None and row.finished:
            return {"epoch": current.epoch}  # it ended; what came after is not ours to change
        plan = after_abort(rollout) if percent == 0 or current is None else at_most(current, percent)
        if current is not None and is_in_force(plan, current):
            return {"epoch": current.epoch}
        why = f"{incident.model} is taken back ({incident.id})"
        routing = next_routing(current, plan, at=self.clock.now(), actor=ACTOR, why=why)
        if not self.routings.move(routing):
            raise Conflict(f"epoch {routing.epoch} was written by another", hint="It is looked at again.")
        return {"epoch": routing.epoch}

    def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
        epoch = self.routings.epoch()
        behind = [each for each in self.servers.live(self.clock.now()) if each.epoch < epoch]
        report = self.prober(incident.restored)
        late = tuple(f"server {each.server_id} on {each.host} still follows epoch {each.epoch}" for each in behind)
        return replace(report, failures=(*report.failures, *late))

    def alert(self, rollout: Rollout, incident: Incident, alert: Alert) -> Mapping[str, Any]:
        return {"channels": list(self.tell(alert))}

    def report(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        report = build_report(self._material(rollout, incident), made_at=self.clock.now())
        try:
            return publish_report(report, self.folder)
        except Unavailable as error:  # the row keeps the whole report: any server draws the page from it
            get_logger("rollback").warning("the report stands in the database only", why=error.message)
            return plain_report(report)

    def _material(self, rollout: Rollout, incident: Incident) -> Material:
        arm = str(incident.trigger.get("arm", "candidate"))
        decisions = list(self.rollouts.decisions(rollout.id, MOST_DECISIONS))[::-1]
        weighed = [each for each in decisions if each.evidence]
        looks = [Look(at=each.at, stage=each.state.get("stage", 0), health=looked_again(each)) for each in weighed]
        facts = read_facts(self.database, rollout.id, arm)
        last = self.exposures.last_answer(rollout.id, arm)
        return Material(
            incident=incident,
            rollout=rollout,
            routings=self.routings.history(rollout.id),
            decisions=decisions,
            looks=looks,
            evidence=_evidence(weighed),
            exposed_keys=facts.keys,
            exposed_requests=facts.requests,
            failed_keys=facts.failed_keys,
            wrong_keys=facts.wrong_keys,
            last_answer_at=last.at if last is not None else None,
            failed=self.exposures.failed(rollout.id, arm),
            review=facts.review,
            dataset_diff=self._diff(incident),
            config_hash=self.config_hash,
        )

    def _diff(self, incident: Incident) -> Mapping[str, Any] | None:
        """A report without it is better than none: the registry may be away."""
        if self.dataset_diff is None:
            return None
        try:
            return self.dataset_diff(incident.restored, incident.model)
        except EcosightError as error:
            get_logger("rollback").warning("training data cannot be compared", why=error.message)
            return {"unknown": error.message}


def _evidence(weighed: Sequence[Any]) -> Any:
    from ab_testing.evidence import Evidence

    return Evidence.from_dict(weighed[-1].evidence) if weighed else None
