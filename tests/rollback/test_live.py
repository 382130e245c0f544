"""A rollback over the real stores: from the decision to the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_incident import NEW, OLD, START, at, make_rollout

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.plan import Plan, next_routing
from ab_testing.policy import Policy
from ab_testing.ramps import canary_ramp
from ab_testing.stats.counts import ArmCounts
from ecosight.errors import Unavailable
from ecosight.rollouts import BUCKETS, Arm, Decision, Exposure, Rollout, ServerReport
from ecosight.state import Database
from ecosight.state.documents import plain
from ecosight.state.exposures import ExposureLog, Exposures
from ecosight.state.incidents import Incidents
from ecosight.state.predictions import PredictionLog
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.testing.clock import ManualClock
from ecosight.values import Outcome, Prediction
from rollback.actions import Alert, ProbeReport
from rollback.causes import trigger_of
from rollback.executor import RollbackExecutor
from rollback.live import LiveActions
from rollback.page import render_page

ARMS = (
    Arm(name="champion", model=OLD, weight=8000),
    Arm(name="candidate", model=NEW, weight=1000, isolated=True),
    Arm(name="control", model=OLD, weight=1000, isolated=True),
)


class System:
    """Stores with a rollout under way, and what the wiring hands in."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock = database, ManualClock(at(520))
        self.rollouts, self.routings, self.servers = RolloutStore(database), RoutingStore(database), Servers(database)
        self.incidents = Incidents(database)
        self.alerts: list[Alert] = []
        self.probes: list[ProbeReport] = []
        self.rollout = make_rollout(policy=Policy().as_dict(), revision=0)
        self.rollouts.add(self.rollout)
        plan = Plan(arms=ARMS, rollout_id=self.rollout.id, salt=self.rollout.id, stage=1)
        assert self.routings.move(next_routing(None, plan, at=at(60), actor="controller", why="stage 1"))
        self.actions = LiveActions(
            database=database,
            rollouts=self.rollouts,
            routings=self.routings,
            servers=self.servers,
            exposures=Exposures(database),
            clock=self.clock,
            prober=lambda model: self.probes.pop(0) if self.probes else fine(),
            folder=folder,
            tell=self._tell,
            dataset_diff=lambda before, after: {"before": "main@v1", "after": "main@v2", "added": 7, "classes": {}},
            config_hash="c" * 64,
        )

    def executor(self, **more: Any) -> RollbackExecutor:
        return RollbackExecutor(
            self.incidents,
            self.actions,
            clock=self.clock,
            trigger_of=self.actions.trigger_of,
            writer="server-1",
            **more,
        )

    def decide(self, evidence: dict[str, Any], *, actor: str = "controller", reason: str = "errors") -> None:
        self.rollouts.record(
            Decision(
                id=f"decision_{actor}",
                rollout_id=self.rollout.id,
                at=at(519.5),
                actor=actor,
                epoch=1,
                action="roll_back",
                state=plain(self.rollout),
                evidence=evidence,
                verdict={"action": "roll_back", "reason": reason},
            )
        )

    def _tell(self, alert: Alert) -> Sequence[str]:
        self.alerts.append(alert)
        return ("test",)


def fine() -> ProbeReport:
    return ProbeReport(sent=5, answered=5, restored=5, slowest_ms=3.0)


def bad_evidence(rollout: Rollout) -> dict[str, Any]:
    errors = ArmCounts.at(0.1, control=(9000, 45), candidate=(1000, 60))
    evidence = Evidence(
        rollout_id=rollout.id,
        epoch=1,
        stage=1,
        stage_age_s=400.0,
        age_s=500.0,
        threshold_ms=42.0,
        assigned=None,
        candidates=(CandidateEvidence(arm="candidate", errors=errors, requests=1234),),
        seen_s_ago=0.1,
    )
    return evidence.as_dict()


@pytest.fixture
def system(database: Database, tmp_path: Path) -> System:
    return System(database, tmp_path / "incidents")


def test_a_rollback_gives_everything_to_the_old_model_and_tells_why(system: System) -> None:
    system.decide(bad_evidence(system.rollout))
    incident = system.executor().run(system.rollout)
    routing = system.routings.current()
    assert routing is not None
    assert [(arm.name, arm.model, arm.weight) for arm in routing.arms] == [("champion", OLD, BUCKETS)]
    assert incident.trigger["name"] == "errors"
    assert incident.trigger["kind"] == "soft"
    assert incident.trigger["arm"] == "candidate"
    assert "6.00% of the candidate's clients got failed answers" in incident.trigger["observed"]
    assert list(system.incidents.of(NEW.digest)) == [incident]
    (alert,) = system.alerts
    assert "more errors" in alert.title
    report = json.loads(Path(incident.report["json"]).read_text("utf-8"))
    assert report["config_hash"] == "c" * 64
    assert report["dataset_diff"]["added"] == 7
    assert report["looks"][0]["checks"]["errors"]["state"] == "breach"
    assert Path(incident.report["html"]).read_text("utf-8").startswith("<!doctype html>")


def test_restoring_twice_moves_the_routing_once(system: System) -> None:
    incident = system.executor().open(system.rollout)
    first = system.actions.restore(system.rollout, incident, 0)
    assert system.actions.restore(system.rollout, incident, 0) == first
    assert first["epoch"] == system.routings.epoch() == 2


def test_a_late_executor_does_not_touch_what_came_after(system: System) -> None:
    incident = system.executor().open(system.rollout)
    system.rollouts.save(replace(system.rollout, state="rolled_back", finished_at=at(530)), 0)
    system.actions.restore(system.rollout, incident, 0)
    assert system.routings.epoch() == 1


def test_a_server_that_still_follows_an_old_epoch_fails_the_probe(system: System) -> None:
    incident = system.executor().open(system.rollout)
    system.actions.restore(system.rollout, incident, 0)
    now = system.clock.now()
    for name, epoch in (("a", 2), ("b", 1)):
        system.servers.report(ServerReport(server_id=name, host="h", pid=1, started_at=now, seen_at=now, epoch=epoch))
    report = system.actions.probe(system.rollout, incident)
    assert not report.passed
    assert report.failures == ("server b on h still follows epoch 1",)


def test_a_person_is_named_as_the_trigger(system: System) -> None:
    system.decide({}, actor="maria", reason="foxes look wrong")
    trigger = trigger_of(system.rollout, system.rollouts.decisions(system.rollout.id))
    assert (trigger["name"], trigger["kind"]) == ("manual", "manual")
    assert trigger["observed"] == "maria: foxes look wrong"


def test_a_model_that_could_not_lead_is_taken_back_for_not_loading(system: System) -> None:
    rollout = replace(system.rollout, outcome="ecosight/8 cannot be loaded as champion")
    assert trigger_of(rollout, [])["name"] == "load_failure"


def test_the_report_is_made_though_the_registry_is_away(system: System) -> None:
    def away(before: Any, after: Any) -> Any:
        raise Unavailable("the tracking server does not answer")

    actions = replace(system.actions, dataset_diff=away)
    executor = RollbackExecutor(system.incidents, actions, clock=system.clock)
    report = executor.run(system.rollout).report
    assert report["dataset_diff"] == {"unknown": "the tracking server does not answer"}
    assert "the tracking server does not answer" in render_page(report)


def test_a_report_that_no_disk_takes_stands_in_the_row_whole(system: System, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("where a folder is needed")
    system.decide(bad_evidence(system.rollout))
    actions = replace(system.actions, folder=tmp_path / "a file" / "incidents")
    executor = RollbackExecutor(system.incidents, actions, clock=system.clock, trigger_of=actions.trigger_of)
    incident = executor.run(system.rollout)
    assert incident.steps[-1]["status"] == "done"
    assert "errors" in render_page(incident.report)


def test_a_canary_rollback_takes_weights_back_step_by_step(system: System) -> None:
    way_back = canary_ramp(10, [1, 5, 10], step_s=30).as_dict()
    system.executor().run(replace(system.rollout, way_back=way_back))
    seen = [{arm.name: arm.weight for arm in routing.arms} for routing in system.routings.history(system.rollout.id)]
    assert [each.get("candidate", 0) for each in seen] == [1000, 500, 100, 0]
    assert all(sum(each.values()) == BUCKETS for each in seen)
    assert [each.get("control", 0) for each in seen] == [1000, 500, 100, 0]


def test_the_review_list_names_samples_that_were_wrong_before_those_that_failed(system: System, tmp_path: Path) -> None:
    predictions, exposures = PredictionLog(system.database, tmp_path), ExposureLog(system.database, tmp_path)
    for number, (fault, label) in enumerate([("", "fox"), ("error", "fox"), ("", "engine"), ("", "fox")]):
        name = f"pred_{number}"
        predictions.append(
            Prediction(
                id=name,
                sample_id=f"{number}" * 64,
                model_version="8",
                model_digest=NEW.digest,
                variant="candidate",
                key=f"key-{number % 2}",
                label=label,
                probabilities={label: 1.0},
                latency_ms=1.0,
                made_at=START,
            )
        )
        exposures.append(
            Exposure(
                id=name,
                prediction_id=name,
                rollout_id=system.rollout.id,
                epoch=1,
                stage=1,
                key=f"key-{number % 2}",
                intended="candidate",
                answered="champion" if fault else "candidate",
                label=label,
                latency_ms=5.0,
                at=at(100 + number),
                fault="error" if fault else "",
            )
        )
    predictions.flush()
    exposures.flush()
    predictions.add_outcome(Outcome(prediction_id="pred_2", truth="fox", told_at=at(200)))
    report = system.executor().run(system.rollout).report
    predictions.close()
    exposures.close()
    assert [(each["sample_id"][0], each["why"]) for each in report["review"]] == [
        ("2", "it was wrong"),
        ("1", "it failed on it"),
    ]
    assert report["review"][0]["truth"] == "fox"
    assert report["exposure"]["requests"] == 4
    assert report["exposure"]["keys"] == 2
    assert report["speed"]["last_answer_at"] == "2026-05-01T03:05:43.000Z"
    assert [each["prediction_id"] for each in report["failed"]] == ["pred_1"]
