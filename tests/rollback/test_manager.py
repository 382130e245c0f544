"""The face, over a real registry and real stores; the controller plays the server that leads."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rollback.manager as face
from ab_testing.controller import RolloutController
from ecosight.config import Config, load_config
from ecosight.errors import Conflict, InvalidInput, NotFound, Refused
from ecosight.ids import new_id
from ecosight.rollouts import Exposure, ServerReport
from ecosight.state.exposures import ExposureLog, Exposures
from ecosight.state.leadership import Leadership
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.testing.clock import ManualClock
from ecosight.values import ModelRef
from mlflow_integration.opening import open_registry
from mlflow_integration.tracker import MLflowTracker
from rollback.actions import ProbeReport
from rollback.executor import RollbackExecutor
from rollback.live import LiveActions
from rollback.manager import RollbackManager
from rollback.script import main
from rollback.triggers import check_health


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A project with two models, the first of them champion."""
    root = tmp_path_factory.mktemp("project")
    config = load_config(project={"root": str(root)})
    registry = open_registry(config)
    for number, slope in enumerate((1.0, 2.0), 1):
        folder = root / f"servable-{number}"
        make_servable()(folder, slope=slope)
        with MLflowTracker(config.tracking_uri, config.experiment_name).start_run("training") as run:
            ref = registry.register(folder, run_id=run.run_id)
        if number == 1:
            registry.set_alias("champion", ref, by="test", why="first")
    return config


@pytest.fixture
def config(registered: Config, tmp_path: Path) -> Config:
    """The project with a database of its own, and with its first model as champion."""
    registry = open_registry(registered)
    registry.set_alias("champion", registry.get(1), by="test", why="again")
    registry.remove_alias("challenger")
    return registered.model_copy(
        update={
            "database": registered.database.model_copy(update={"url": f"sqlite:///{tmp_path / 'own.db'}"}),
            "project": registered.project.model_copy(update={"root": tmp_path}),
            "mlflow": registered.mlflow.model_copy(update={"tracking_uri": registered.tracking_uri}),
        }
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def manager(config: Config, clock: ManualClock) -> Iterator[RollbackManager]:
    with RollbackManager(60, 0.95, 0.05, True, config=config, clock=clock) as opened:
        yield opened


class Leader:
    """A server that leads: the controller with the real executor; its traffic is written by the test."""

    def __init__(self, manager: RollbackManager, clock: ManualClock, folder: Path) -> None:
        database = manager._database
        self.manager, self.clock, self.registry = manager, clock, open_registry(manager.config)
        self.routings, self.rollouts = RoutingStore(database), RolloutStore(database)
        self.log = ExposureLog(database, folder)
        actions = LiveActions(
            database=database,
            rollouts=self.rollouts,
            routings=self.routings,
            servers=manager._servers,
            exposures=Exposures(database),
            clock=clock,
            prober=lambda model: ProbeReport(sent=3, answered=3, restored=3),
            folder=folder / "incidents",
        )
        self.controller = RolloutController(
            leadership=Leadership(database, "rollouts", "server-1", clock),
            rollouts=self.rollouts,
            routings=self.routings,
            exposures=Exposures(database),
            servers=manager._servers,
            registry=self.registry,
            clock=clock,
            check_health=check_health,
            roll_back=RollbackExecutor(
                manager._incidents, actions, clock=clock, trigger_of=actions.trigger_of, writer="server-1"
            ),
        )

    def tick(self, *, arm: str = "ready", **figures: Any) -> None:
        """A second passes; the server says how it is, and leads."""
        self.clock.advance(1.0)
        routing, now = self.routings.current(), self.clock.now()
        arms: dict[str, dict[str, Any]] = {}
        for each in routing.arms if routing else ():
            if each.isolated:
                arms[each.name] = {"state": "ready"}
        if "candidate" in arms:
            arms["candidate"] = {"state": arm, **figures}
        self.manager._servers.report(
            ServerReport(
                server_id="server-1",
                host="h",
                pid=1,
                started_at=now,
                seen_at=now,
                epoch=routing.epoch if routing else 0,
                arms=arms,
            )
        )
        assert self.controller.tick()

    def requests(self, arm: str, number: int, *, fault: Any = "") -> None:
        routing = self.routings.current()
        assert routing is not None
        for _ in range(number):
            name = new_id("pred")
            self.log.append(
                Exposure(
                    id=name,
                    prediction_id=name,
                    rollout_id=routing.rollout_id,
                    epoch=routing.epoch,
                    stage=routing.stage,
                    key=name,
                    intended=arm,
                    answered="champion" if fault else arm,
                    label="fox",
                    latency_ms=10.0,
                    at=self.clock.now() - timedelta(seconds=0.5),
                    fault=fault,
                )
            )
        self.log.flush()


@pytest.fixture
def leader(manager: RollbackManager, clock: ManualClock, tmp_path: Path) -> Iterator[Leader]:
    made = Leader(manager, clock, tmp_path)
    yield made
    made.log.close()


def test_a_model_that_fails_is_taken_back_and_stays_out_until_a_person_lets_it_in(
    manager: RollbackManager, leader: Leader
) -> None:
    deployment = manager.deploy(new_model="2", previous_model="1", reference_requests=20)
    assert deployment.state == "preparing"
    leader.tick()
    leader.requests("champion", 320)
    leader.requests("control", 80)
    for _ in range(3):
        leader.tick()
    assert manager.status().state == "running"
    leader.requests("champion", 180)
    leader.requests("control", 10)
    leader.requests("candidate", 10, fault="error")
    leader.tick()
    routing = leader.routings.current()
    assert routing is not None
    assert [arm.name for arm in routing.arms] == ["champion"]
    assert manager.status().state == "rolling_back"  # the server has not said yet that it follows
    leader.tick()
    ended = manager.monitor(deployment)
    assert ended.state == "rolled_back"
    assert ended.incident is not None
    assert ended.incident.trigger["name"] == "faults"
    assert ended.incident.report["exposure"]["requests"] == 10
    assert routing.arms[0].model == champion(manager)
    assert champion(manager).version == "1"
    with pytest.raises(Refused, match="taken back"):
        manager.deploy("2")
    assert manager.unlatch(ended.incident.id).unlatched_by
    assert manager.deploy("2").state == "preparing"


def test_a_model_that_cannot_be_loaded_is_taken_back_before_any_client_meets_it(
    manager: RollbackManager, leader: Leader
) -> None:
    manager.deploy("2")
    leader.tick()
    leader.tick(arm="failed", error="damaged graph")
    leader.tick()
    ended = manager.status()
    assert ended.state == "rolled_back"
    assert ended.incident is not None
    assert ended.incident.trigger["name"] == "load_failure"
    assert "damaged graph" in ended.incident.trigger["observed"]


def test_a_person_takes_a_model_back_and_is_named(manager: RollbackManager, leader: Leader) -> None:
    manager.deploy("2")
    leader.tick()
    assert manager.rollback(why="foxes look wrong").state == "rolling_back"
    leader.tick()
    (incident,) = manager.history()
    assert incident.trigger["kind"] == "manual"
    assert "foxes look wrong" in incident.trigger["observed"]


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_is_no_time_is_refused(interval: float) -> None:
    with pytest.raises(InvalidInput, match="health_check_interval"):
        RollbackManager(health_check_interval=interval, config=load_config())


def test_watching_tells_each_interval_and_ends_when_it_is_told_to(
    manager: RollbackManager, leader: Leader, clock: ManualClock
) -> None:
    deployment = manager.deploy("2")
    moments: list[float] = []
    seen = manager.monitor(deployment, timeout_s=150, on_look=lambda _: moments.append(clock.monotonic()))
    assert not seen.finished
    assert moments == [0.0, 60.0, 120.0, 150.0]


def test_the_previous_model_has_to_be_the_one_that_answers(manager: RollbackManager) -> None:
    with pytest.raises(Conflict, match="answers now"):
        manager.deploy("2", previous_model="2")
    with pytest.raises(NotFound):
        manager.deploy("model_v2.pt")


def test_the_thresholds_of_the_face_are_those_of_the_rollout(config: Config) -> None:
    with RollbackManager(5, 0.9, 0.02, False, config=config) as strict:
        policy = strict.deploy("2").rollout.policy
    assert (policy["performance_threshold"], policy["error_rate_threshold"]) == (0.9, 0.02)
    assert policy["auto_rollback"] is False
    with pytest.raises(InvalidInput):
        RollbackManager(performance_threshold=95, config=config)


def test_the_script_deploys_watches_and_takes_back(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        json.dumps(
            {
                "project": {"root": str(config.project.root)},
                "database": {"url": config.database_url},
                "mlflow": {"tracking_uri": config.tracking_uri, "model_name": config.model_name},
            }
        )
    )
    begin = ["--config", str(file), "--json"]
    assert main([*begin, "--deploy", "2", "--previous", "1", "--monitor", "--timeout", "0"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["state"] == "preparing"
    assert "no server answers" in captured.err
    assert main([*begin, "--rollback", "--why", "a test"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "rolling_back"
    assert main([*begin, "--history"]) == 0
    assert main([*begin, "--unlatch", "incident_none"]) == 4
    assert "there is no incident" in capsys.readouterr().err


def test_the_face_has_the_promised_names() -> None:
    promised = {"RollbackManager", "HealthChecker", "ThresholdMonitor", "RollbackExecutor", "IncidentLogger"}
    assert promised <= set(face.__all__)


def champion(manager: RollbackManager) -> ModelRef:
    found = open_registry(manager.config).champion()
    assert found is not None
    return found


def make_servable() -> Any:
    """The small artifact that the tests of the registry use."""
    file = Path(__file__).parents[1] / "mlflow_integration" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_servables", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_servable
