"""`ecosight rollout` and `ecosight rollback` over a real project: MLflow and SQLite in a folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecosight.clock import iso
from ecosight.errors import InvalidInput
from ecosight.ids import new_id
from ecosight.rollouts import BUCKETS, Arm, Decision, Exposure, Incident, Routing, ServerReport
from ecosight.values import ModelRef, Prediction
from pipeline.rollouts import policy_differences, who
from pipeline.wiring import Workbench, open_workbench

CHAMPION, PREVIOUS, CHALLENGER = "2", "1", "3"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose registry holds the versions 1 (previous), 2 (champion), 3 (challenger) and 4."""
    import mlflow

    from mlflow_integration.tracker import MLflowTracker

    root = tmp_path_factory.mktemp("project") / "root"
    with open_workbench(_config(root)) as bench:
        with MLflowTracker(bench.config.tracking_uri, "birds").start_run() as run:
            pass
        client = mlflow.MlflowClient(bench.config.tracking_uri, bench.config.tracking_uri)
        for number in range(1, 5):
            ref = bench.registry.register_files(f"file:///{number}", run_id=run.run_id, description="for tests")
            client.set_model_version_tag(ref.name, ref.version, "ecosight.digest", f"{number}" * 64)
        for version in (PREVIOUS, CHAMPION):
            bench.registry.set_alias("champion", bench.registry.get(version))
        bench.registry.set_alias("challenger", bench.registry.get(CHALLENGER))
        _ = bench.db
    return root


def _config(root: Path) -> Any:
    from ecosight.config import load_config

    return load_config(project={"root": str(root), "name": "birds"})


class Project:
    """A project, and the command in this process."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._patch, self._capsys = root, monkeypatch, capsys
        monkeypatch.setenv("ECOSIGHT__PROJECT__ROOT", str(root))
        monkeypatch.setenv("ECOSIGHT__PROJECT__NAME", "birds")

    def run(self, *arguments: str, expect: int = 0) -> tuple[str, str]:
        from pipeline.cli import main

        self._patch.setattr("sys.argv", ["ecosight", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        assert ended.value.code == expect, told
        assert "Traceback" not in told.err
        return told.out, told.err

    def text(self, *arguments: str, expect: int = 0) -> str:
        return self.run(*arguments, expect=expect)[0]

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.text(*arguments, "--json", expect=expect))

    def bench(self) -> Workbench:
        return open_workbench(_config(self.root))


@pytest.fixture
def project(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Project:
    shutil.copytree(template, tmp_path / "root")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path / "root", monkeypatch, capsys)


def model(version: str) -> ModelRef:
    return ModelRef(name="birds", version=version, digest=version * 64)


def test_a_rollout_from_its_start_to_its_abort(project: Project) -> None:
    assert "rollout start" in project.text("rollout", "list")
    told = project.text("rollout", "start", "--steps", "10,100", "--policy", "auto_promote=false", "--actor", "ann")
    assert "birds/3 against birds/2" in told
    assert "no server is running" in told
    shown = project.json("rollout", "status")
    rollout = shown["rollout"]
    assert (rollout["state"], rollout["strategy"], rollout["actor"]) == ("preparing", "canary", "ann")
    assert rollout["policy"]["steps"] == [10, 100]
    assert rollout["policy"]["auto_promote"] is False
    assert rollout["id"] in project.text("rollout", "list")
    assert "birds/3" in project.text("rollout", "status")
    assert project.json("rollout", "pause", "--why", "odd")["rollout"]["state"] == "paused"
    assert project.json("rollout", "resume")["rollout"]["state"] == "preparing"
    assert project.json("rollout", "abort", rollout["id"], "--why", "done")["rollout"]["state"] == "aborted"
    assert "aborted" in project.text("rollout", "status")


def test_only_one_rollout_at_a_time_and_only_of_what_is_there(project: Project) -> None:
    project.run("rollout", "start", "--candidate", "nobody", expect=4)
    project.run("rollout", "start", "--candidate", "3", "--strategy", "hope", expect=4)
    project.run("rollout", "start", "--candidate", "3", "--policy", "stepz=1", expect=3)
    project.run("rollout", "status", expect=4)
    project.run("rollout", "start", "--candidate", "3")
    error = project.json("rollout", "start", "--candidate", "4", expect=5)["error"]
    assert error["code"] == "conflict"
    _, said = project.run("rollout", "start", "--dry-run", expect=5)
    assert "hint:" in said


def test_a_dry_run_changes_nothing(project: Project) -> None:
    plan = project.json("rollout", "start", "--dry-run", "--steps", "5,100")
    assert plan["candidates"] == {"candidate": "birds/3"}
    assert [stage["candidate"] for stage in plan["stages"]] == [0, 5, 100]
    assert "would start" in project.text("rollout", "start", "--dry-run")
    would = project.json("rollback", "--dry-run")
    assert (would["taken_back"], would["restored"]) == (["birds/2"], "birds/1")
    assert project.json("rollout", "list") == []
    project.run("rollout", "start")
    before = project.json("rollout", "status")
    for wish in ("pause", "promote", "abort"):
        assert project.json("rollout", wish, "--dry-run")["dry_run"] is True
    assert project.json("rollback", "--dry-run")["taken_back"] == ["birds/3"]
    assert project.json("rollout", "status") == before
    project.run("rollout", "abort")
    project.run("rollout", "pause", "--dry-run", project.json("rollout", "list")[0]["id"], expect=5)
    # Whoever saw the same alarm as the one who aborted does not take the good champion back.
    project.run("rollback", "--dry-run", expect=8)


def test_a_dry_run_says_what_the_wish_itself_would_say(project: Project) -> None:
    def both_end(with_code: int, *wishes: str) -> None:
        for wish in wishes:
            for dry in (["--dry-run"], []):
                project.run(*wish.split(), *dry, expect=with_code)

    both_end(4, "rollout pause", "rollout resume", "rollout promote", "rollout abort")
    both_end(8, "rollback --gradual")
    project.run("rollout", "start", "-m", "3", "-m", "4")
    both_end(8, "rollout promote")
    both_end(5, "rollout resume")
    project.run("rollout", "pause")
    both_end(5, "rollout pause")
    both_end(3, "rollout resume -p pause_at=[50]", "rollout resume -p unknown=1")
    both_end(8, "rollout resume -p min_units=3")
    project.run("rollout", "abort")
    project.run("rollout", "start")
    project.run("rollout", "promote")
    both_end(5, "rollout pause", "rollout resume", "rollout promote", "rollout abort")
    both_end(8, "rollback --gradual")


def test_a_person_may_promote_whatever_the_evidence_says(project: Project) -> None:
    project.run("rollout", "start")
    told = project.json("rollout", "promote", "--why", "tested in the field", "--actor", "ann")
    assert told["rollout"]["state"] == "promoting"
    with project.bench() as bench:
        decision = bench.rollouts.decisions(told["rollout"]["id"], 1)[0]
    assert (decision.action, decision.actor, decision.verdict["reason"]) == ("promote", "ann", "tested in the field")


def test_rollback_takes_the_candidate_back_or_the_champion(project: Project) -> None:
    project.run("rollout", "start")
    told = project.text("rollback", "--why", "wrong labels at night")
    assert "taking back birds/3; birds/2 answers instead" in told
    assert project.json("rollback", "status")["rollout"]["state"] == "rolling_back"
    assert "rolling back" in project.text("rollback", "status")


def test_a_wait_that_was_too_short_says_so_and_has_an_exit_code_of_its_own(project: Project) -> None:
    project.run("rollout", "start")
    # No server runs that would do it.
    out, said = project.run("rollout", "promote", "--wait", "0.3", "--json", expect=11)
    assert json.loads(out)["ended"] is False
    assert "is still promoting after 0.3 s; it goes on" in said
    assert "hint: ecosight rollout status" in said
    out, said = project.run("rollback", "--wait", "0.3", expect=11)
    assert "taking back birds/3" in out
    assert "still rolling back" in said


def at_half(project: Project, **policy: Any) -> str:
    """A rollout whose candidate answers half of the keys."""
    pairs = [f"--policy={name}={value}" for name, value in policy.items()]
    rollout = project.json("rollout", "start", "--steps", "10,25,50,100", *pairs)["rollout"]
    with project.bench() as bench:
        begun = bench.rollouts.get(rollout["id"])
        assert begun is not None
        bench.rollouts.save(replace(begun, state="running", stage=3), begun.revision)
        arms = (
            Arm(name="champion", model=model("2"), weight=0),
            Arm(name="candidate", model=model("3"), weight=5_000, isolated=True),
            Arm(name="control", model=model("2"), weight=5_000, isolated=True),
        )
        now, name = bench.clock.now(), begun.id
        bench.routings.move(
            Routing(epoch=1, arms=arms, made_at=now, actor="c", why="stage 3", rollout_id=name, salt=name, stage=3)
        )
        return name


def test_a_gradual_rollback_leaves_clients_with_the_candidate_for_the_moment(project: Project) -> None:
    project.run("rollback", "--gradual", expect=8)
    project.run("rollback", "--gradual", "--dry-run", expect=8)
    at_half(project, rollback_parts=2, rollback_step_s=5)
    assert "by degrees" in project.text("rollback", "--gradual", "--dry-run")
    assert "taking back birds/3 by degrees; birds/2 answers" in project.text("rollback", "--gradual")
    page = project.text("rollout", "status")
    assert "it goes back by degrees: 25%, 0%, 5 s apart; at once: ecosight rollback" in page
    with project.bench() as bench:
        assert bench.routings.epoch() == 1  # who leads takes the steps
    project.run("rollback", "--why", "it cannot wait")
    assert "by degrees" not in project.text("rollout", "status")
    with project.bench() as bench:
        routing = bench.routings.current()
        assert routing is not None
        assert [arm.name for arm in routing.arms] == ["champion"]


def test_going_on_after_a_spent_blast_radius_needs_a_higher_limit(project: Project) -> None:
    identity = at_half(project, max_exposed_keys=100)
    spent = record_a_decision(project, begun=identity, met_keys=130)
    with project.bench() as bench:
        row = bench.rollouts.get(spent)
        assert row is not None
        bench.rollouts.save(
            replace(row, state="paused", paused_for="budget", outcome="the blast radius is spent"), row.revision
        )
    page = project.text("rollout", "status")
    assert "clients get the champion only" in page
    assert "ecosight rollout resume --policy max_exposed_keys=" in page
    refused = project.json("rollout", "resume", expect=8)["error"]
    assert "130 of 100 exposed keys" in refused["message"]
    project.run("rollout", "resume", "--policy", "steps=[1,2]", expect=8)
    told = project.json("rollout", "resume", "--policy", "max_exposed_keys=500")["rollout"]
    assert (told["state"], told["paused_for"], told["policy"]["max_exposed_keys"]) == ("running", "", 500)


def test_rollback_without_a_rollout_goes_to_the_champion_before(project: Project) -> None:
    told = project.json("rollback")
    assert (told["taken_back"], told["restored"]) == (["birds/2"], "birds/1")


def test_a_verb_that_is_not_there_takes_nothing_back(project: Project) -> None:
    project.run("rollback", "statsu", expect=2)
    assert project.json("rollout", "list") == []


def test_what_was_live_at_a_moment_and_for_a_key(project: Project) -> None:
    project.run("rollout", "live", expect=4)
    with project.bench() as bench:
        now = bench.clock.now()
        arms = (
            Arm(name="champion", model=model("2"), weight=BUCKETS // 2),
            Arm(name="candidate", model=model("3"), weight=BUCKETS // 2, isolated=True),
        )
        bench.routings.move(
            Routing(
                epoch=1, arms=arms, made_at=now, actor="controller", why="stage 1", rollout_id="rollout_1", salt="s"
            )
        )
    told = project.json("rollout", "live", "--key", "sensor-17")
    assert told["arm"] in ("champion", "candidate")
    assert told["routing"]["epoch"] == 1
    text = project.text("rollout", "live", "now", "--key", "sensor-17")
    assert "50%" in text
    assert f"belonged to {told['arm']}" in text
    project.run("rollout", "live", "2020-01-01T03:12", expect=4)
    project.run("rollout", "live", "yesterday", expect=3)


def test_the_page_says_what_the_servers_hold_and_what_is_missing(project: Project) -> None:
    project.run("rollout", "start")
    identity = project.json("rollout", "status")["rollout"]["id"]
    counts = {
        "stages": [{"share": 0.5, "control_units": 200, "control_bad": 1, "candidate_units": 100, "candidate_bad": 2}]
    }
    with project.bench() as bench:
        now = bench.clock.now()
        arms = (
            Arm(name="champion", model=model("2"), weight=BUCKETS - 500),
            Arm(name="candidate", model=model("3"), weight=500, isolated=True),
        )
        bench.routings.move(
            Routing(epoch=1, arms=arms, made_at=now, actor="c", why="stage 1", rollout_id=identity, salt="s", stage=1)
        )
        bench.servers.report(
            ServerReport(
                server_id="s1",
                host="here",
                pid=7,
                started_at=now,
                seen_at=now,
                epoch=1,
                loaded={"2" * 64: "ready"},
                arms={"candidate": {"state": "tripped", "tripped": "3 crashes in 60 s"}},
            )
        )
        bench.rollouts.record(
            Decision(
                id="decision_1",
                rollout_id=identity,
                at=now,
                actor="controller",
                epoch=1,
                action="hold",
                state={},
                evidence={"stage": 1, "threshold_ms": 41.5, "candidates": [{"arm": "candidate", "errors": counts}]},
                verdict={"action": "hold", "reason": "too few keys", "missing": ["900 keys, in 12 minutes"]},
            )
        )
    page = project.text("rollout", "status")
    for said in (
        "5%",
        "1 tripped",
        "3 crashes in 60 s",
        "too few keys",
        "900 keys, in 12 minutes",
        "2 / 100",
        "41.5 ms",
    ):
        assert said in page, (said, page)


def record_a_decision(project: Project, begun: str = "", met_keys: int | None = None, **changes: Any) -> str:
    """A decision of the controller at the first step of a canary; the changes are of its verdict."""
    from ab_testing.evidence import CandidateEvidence, Evidence
    from ab_testing.replaying import judge
    from ab_testing.stats.counts import ArmCounts
    from rollback.triggers import check_health

    with project.bench() as bench:
        row = bench.rollouts.get(begun) or bench.rollout_service.start(candidate="3", actor="ann")
        rollout = bench.rollouts.save(replace(row, state="running", stage=1, threshold_ms=40.0), row.revision)
        errors = ArmCounts.at(0.1, control=(900, 4), candidate=(100, 3))
        candidate = CandidateEvidence(arm="candidate", errors=errors, met_keys=met_keys)
        evidence = Evidence(
            rollout_id=rollout.id,
            epoch=1,
            stage=1,
            stage_age_s=60.0,
            age_s=90.0,
            threshold_ms=40.0,
            assigned=None,
            candidates=(candidate,),
            seen_s_ago=1.0,
            servers=1,
        )
        verdict = judge(rollout, evidence, check_health)
        bench.rollouts.record(
            Decision(
                id=new_id("decision"),
                rollout_id=rollout.id,
                at=bench.clock.now(),
                actor="controller",
                epoch=1,
                action=verdict.action,
                state=bench.rollout_records.shown(rollout),
                evidence=evidence.as_dict(),
                verdict={**verdict.as_dict(), **changes},
            )
        )
    return rollout.id


def test_a_replay_makes_the_same_verdict_from_the_recorded_evidence(project: Project) -> None:
    identity = record_a_decision(project)
    told = project.json("rollout", "replay", identity)
    assert (told["same"], told["by_people"], len(told["decisions"])) == (True, 1, 1)
    assert project.json("rollout", "replay", told["decisions"][0]["id"])["by_people"] == 0
    assert "made again: 1; differ: 0; decided by people: 1" in project.text("rollout", "replay")
    project.run("rollout", "replay", "decision_0", expect=4)
    page = project.text("rollout", "status")
    for said in ("cannot say yet", "errors", "3 / 100", "4 / 900"):
        assert said in page


def test_a_verdict_that_does_not_follow_from_its_evidence_is_found(project: Project) -> None:
    record_a_decision(project, action="promote", reason="it looked good")
    assert project.json("rollout", "replay", expect=7)["same"] is False
    told = project.text("rollout", "replay", expect=7)
    assert "DIFFERS" in told
    assert "it looked good" in told


def test_a_rehearsal_tells_how_often_a_policy_errs_and_how_soon_it_finds_harm(project: Project) -> None:
    brief = (
        "--steps",
        "50,100",
        "-p",
        "min_step_s=20",
        "-p",
        "min_units=100",
        "-p",
        "accuracy=required",
        "-p",
        "max_duration_s=300",
    )
    asked = ("rollout", "simulate", "--runs", "3", "--requests-per-s", "50", "--label-rate", "0.5", *brief)
    told = project.json(*asked)
    assert told["false_rollback_rate"] == 0
    assert 0.5 < told["false_rollback_below"] < 1
    equal, worse, failing, slow = told["cases"]
    assert slow["rolled_back"] == 1.0
    assert (equal["runs"], failing["rolled_back"], worse["promoted"]) == (3, 1.0, 0.0)
    assert failing["detection_s"] < told["duration_s"]
    assert told["traffic"]["source"] == "as expected"
    assert project.json(*asked) == told
    text = project.text(*asked)
    assert "fails 10 times as often" in text
    assert "95% confidence" in text


def test_a_rehearsal_without_traffic_asks_what_to_expect(project: Project) -> None:
    _, said = project.run("rollout", "simulate", expect=10)
    assert "--requests-per-s" in said


def test_a_rehearsal_reads_the_recorded_traffic(project: Project) -> None:
    with project.bench() as bench:
        began = bench.clock.now() - timedelta(minutes=10)
        for number in range(300):
            bench.predictions.append(
                Prediction(
                    id=f"pred_{number}",
                    sample_id="a" * 64,
                    model_version="2",
                    model_digest="2" * 64,
                    variant="champion",
                    key=f"sensor-{number % 100}",
                    label="owl",
                    probabilities={"owl": 1.0},
                    latency_ms=1.0,
                    made_at=began + timedelta(seconds=number),
                )
            )
    traffic = project.json("rollout", "simulate", "--runs", "1", "-p", "max_duration_s=60")["traffic"]
    assert traffic["requests_per_s"] == pytest.approx(300 / 299)
    assert traffic["keys_per_s"] == pytest.approx(100 / 299)
    assert traffic["label_rate"] == 0
    assert "300 requests" in traffic["source"]
    assert traffic["error_rate"] == 0.005
    assert traffic["error_rate_source"].startswith("assumed")


def test_a_rehearsal_takes_the_failures_of_earlier_rollouts_for_those_to_come(project: Project) -> None:
    with project.bench() as bench:
        for number in range(200):
            exposure = Exposure(
                id=f"pred_{number}",
                prediction_id=f"pred_{number}",
                rollout_id="rollout_1",
                epoch=1,
                stage=1,
                key=f"sensor-{number}",
                intended="control",
                answered="control",
                label="owl",
                latency_ms=1.0,
                at=bench.clock.now() - timedelta(hours=1),
                fault="late" if number < 4 else "",
            )
            bench.exposure_log.append(exposure)
    asked = ("rollout", "simulate", "--runs", "1", "--requests-per-s", "50", "-p", "max_duration_s=60")
    traffic = project.json(*asked)["traffic"]
    assert traffic["error_rate"] == pytest.approx(4.5 / 201)
    assert traffic["error_rate_source"] == "recorded: 4 of 200 keys of the control met one"
    assert "recorded: 4 of 200 keys" in project.text(*asked)
    assert project.json(*asked, "--error-rate", "0.01")["traffic"]["error_rate_source"] == "as expected"


@pytest.fixture
def incident(project: Project) -> Incident:
    with project.bench() as bench:
        now = bench.clock.now()
        made = Incident(
            id="incident_1",
            rollout_id="rollout_1",
            model=model("3"),
            restored=model("2"),
            trigger={"name": "errors", "kind": "hard", "rule": "5 errors, over half", "observed": {"errors": 7}},
            opened_at=now,
            steps=({"step": "detect", "at": iso(now), "status": "done", "details": {}},),
        )
        bench.incidents.add(made)
        return replace(made)


def test_incidents_are_listed_shown_and_unlatched(project: Project, incident: Incident) -> None:
    assert [each["id"] for each in project.json("rollback", "incidents")] == [incident.id]
    assert "latched" in project.text("rollback", "incidents")
    shown = project.text("rollback", "show", incident.id)
    for said in ("birds/3 was taken back", "5 errors, over half", "detect", f"rollback unlatch {incident.id}"):
        assert said in shown
    project.run("rollback", "show", incident.id, "--html", "page.html", expect=4)  # no report yet
    refused = project.json("rollout", "start", expect=8)["error"]
    assert incident.id in refused["message"]
    project.run("rollout", "start", "--dry-run", expect=8)
    assert "would unlatch" in project.text("rollback", "unlatch", incident.id, "--dry-run")
    assert len(project.json("rollback", "status")["latched"]) == 1
    assert project.json("rollback", "unlatch", incident.id, "--actor", "ann")["unlatched_by"] == "ann"
    for more in ((), ("--dry-run",)):  # a script has to wait; a person need not
        _, said = project.run("rollout", "start", "--automatic", *more, expect=8)
        assert "next try" in said
    project.run("rollout", "start")
    project.run("rollback", "show", "incident_9", expect=4)


def test_a_report_says_why_the_training_data_cannot_be_compared(project: Project) -> None:
    from pipeline.rollback_actions import live_actions

    with project.bench() as bench:
        compare = live_actions(bench).dataset_diff
        assert compare is not None
        told = compare(model("2"), model("3"))
    assert told == {
        "before": "?",
        "after": "?",
        "unknown": "the registry does not say which dataset version birds/2 learned from",
    }


def test_a_report_is_shown_from_the_row_alone(project: Project, incident: Incident) -> None:
    from rollback.publishing import publish_report
    from rollback.report import Material, build_report

    with project.bench() as bench:
        rollout = bench.rollout_service.draft(candidate="4", actor="ann")
        material = Material(
            incident=incident, rollout=rollout, dataset_diff={"before": "?", "after": "?", "unknown": "nobody said"}
        )
        report = publish_report(build_report(material, made_at=bench.clock.now()), project.root / "elsewhere")
        saved = bench.incidents.save(replace(incident, report=report, closed_at=bench.clock.now()), incident.revision)
    shutil.rmtree(project.root / "elsewhere")  # that was another machine's disk
    shown = project.json("rollback", "show", saved.id)
    assert shown["report"]["timeline"]
    told = project.text("rollback", "show", saved.id, "--html", "page.html")
    assert f"ecosight rollback show {saved.id} --html FILE" in told
    assert "training data: ? before, ? after; they cannot be compared: nobody said" in told
    page = Path("page.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "They cannot be compared: nobody said." in page
    _, said = project.run("rollback", "show", saved.id, "--html", "no/such/folder/page.html", expect=6)
    assert "cannot be written" in said


def test_before_the_first_champion_there_is_nothing_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path / "empty", monkeypatch, capsys)
    project.run("rollout", "start", expect=6)
    project.run("rollout", "start", "--dry-run", expect=6)
    project.run("rollback", expect=4)


def test_a_policy_is_written_as_pairs() -> None:
    told = policy_differences(
        ["min-units=200", "alpha_rollback=0.005", "accuracy=required", "pause_at=[1,2]"], "5,12.5"
    )
    assert told == {
        "min_units": 200,
        "alpha_rollback": 0.005,
        "accuracy": "required",
        "pause_at": [1, 2],
        "steps": [5, 12.5],
    }
    for bad in (["min_units"], ["=3"]):
        with pytest.raises(InvalidInput, match="KEY=VALUE"):
            policy_differences(bad)
    with pytest.raises(InvalidInput, match="percents"):
        policy_differences([], "5,ten")


def test_somebody_is_always_named() -> None:
    assert who(" ann ") == "ann"
    assert who("")
