"""Rollouts as release engineers run them: two servers, real models, real HTTP, candidates that are good and bad."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from project_kit import TONES_HZ, Project, Server, clip, kill, write_clips
from unreliable import behave, install

QUICK = {"min_units": 20, "min_step_s": 1, "reference_requests": 40, "rollback_window_s": 2}


@dataclass
class Traffic:
    """Clients that ask without a pause worth the name, each request with a key of its own; who wants, tells truths."""

    servers: list[Server]
    truths: bool = False
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._clips = [(label, clip(label, number)) for label in TONES_HZ for number in range(50, 56)]
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(4)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, client: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
            number = client
            while not self._stop.is_set():
                number += 1
                label, recording = self._clips[number % len(self._clips)]
                began = time.monotonic()
                live = [server for server in self.servers if server.process.poll() is None]
                try:
                    answer = http.post(
                        f"{live[number % len(live)].http.base_url}/predict",
                        files={"file": ("a.wav", recording)},
                        data={"key": f"{client}-{number}"},
                    )
                except httpx.TransportError as error:
                    time.sleep(1)  # whoever killed a server has noticed by then
                    if all(server.process.poll() is None for server in live):
                        self.failures.append(repr(error))
                    continue
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                if answer.status_code == 200:
                    told = answer.json()
                    self.answers[told["variant"], told["model_version"]] += 1
                    if self.truths:
                        truth = {"prediction_id": told["prediction_id"], "true_label": label}
                        assert http.post(f"{live[0].http.base_url}/feedback", json=truth).status_code == 200
                else:
                    self.failures.append(answer.text)
                self._stop.wait(0.03)


@dataclass
class Site:
    """A project with two versions, of which 2 is champion, and two servers of it."""

    project: Project
    servers: list[Server]
    digests: dict[str, str]

    def start_server(self) -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = self.project.start("serve", "--port", str(port), log="server.log")
        server = Server(process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False))
        try:
            server.wait_until("/health/ready")
        finally:
            self.servers.append(server)
        return server

    def start(self, candidate: str = "1", **policy: Any) -> str:
        body = {"candidate": candidate, "strategy": "canary", "policy": {"steps": [20, 50, 100], **QUICK, **policy}}
        answer = self.alive.http.post("/rollouts", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["rollout"]["id"])

    @property
    def database(self) -> Path:
        return self.project.folder / "ecosight_data" / "ecosight.db"

    @property
    def alive(self) -> Server:
        return next(server for server in self.servers if server.process.poll() is None)

    def wait(self, rollout_id: str, *states: str, timeout_s: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            rollout: dict[str, Any] = self.alive.http.get(f"/rollouts/{rollout_id}").json()["rollout"]
            if rollout["state"] in states:
                return rollout
            time.sleep(0.1)
        raise AssertionError(f"{rollout_id} is {rollout['state']}, stage {rollout['stage']}: {rollout['outcome']}")

    def champion(self) -> str:
        return str(self.project.run("rollout", "live")["routing"]["arms"][0]["model"]["version"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "config.yaml").write_text(
        "project: {modality: unreliable}\n"
        "training: {epochs: 12, batch_size: 16}\n"
        "retraining: {min_new_samples: 6}\n"
        "serving: {poll_seconds: 0.2, run_jobs: false}\n"
        "evaluation: {bootstrap_samples: 100}\n",
        "utf-8",
    )
    project = Project(folder, install(folder))
    digests = {}
    for first, each in ((0, 12), (12, 4)):
        write_clips(folder / "sounds", each=each, first=first)
        project.run("ingest", "sounds")
        trained = project.run("train")
        digests[str(trained["model_version"])] = trained["model_digest"]
    made = Site(project, [], digests)
    for _ in range(2):
        made.start_server()
    yield made
    for server in made.servers:
        server.http.close()
        kill(server.process)


@pytest.mark.parametrize(
    ("behaviour", "trigger"),
    [
        ("load_error", "load_failure"),
        ("nan", "non_finite"),
        ("hang", ""),
        pytest.param("load_crash", "load_failure", marks=pytest.mark.slow),
        pytest.param("crash", "", marks=pytest.mark.slow),
        pytest.param("errors", "", marks=pytest.mark.slow),
    ],
)
def test_a_bad_candidate_is_taken_back_and_no_client_sees_it(site: Site, behaviour: str, trigger: str) -> None:
    behave(site.project.environment, {})
    loads = behaviour.startswith("load")
    if loads:
        behave(site.project.environment, {site.digests["1"]: behaviour})
    with Traffic(site.servers) as traffic:
        rollout_id = site.start()
        if not loads:
            site.wait(rollout_id, "running")
            behave(site.project.environment, {site.digests["1"]: behaviour})
        site.wait(rollout_id, "rolled_back")
        before = traffic.answers["candidate", "1"]
        time.sleep(1)
        assert traffic.answers["candidate", "1"] == before
    assert traffic.failures == []
    assert traffic.slowest_s < 5
    (incident,) = [each for each in incidents(site) if each["rollout_id"] == rollout_id]
    assert trigger in incident["trigger"]["name"]
    assert {step["step"] for step in incident["steps"]} == {"detect", "stop", "restore", "verify", "alert", "report"}
    assert answered_after_detection_s(site, rollout_id) <= 1.0
    refused = site.alive.http.post("/rollouts", json={"candidate": "1"})
    assert refused.status_code == 409 or "unlatch" in refused.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "trigger", "policy"),
    [
        ("some_errors", "errors", {}),
        ("slow", "latency", {}),
        ("twice", "latency", {}),
        ("leak", "memory", {"memory_after_min": 1.0}),
        ("wrong 0.2", "accuracy", {"accuracy": "required", "steps": [40, 100]}),
    ],
)
def test_what_only_statistics_can_see_is_found_while_it_is_compared(
    site: Site, behaviour: str, trigger: str, policy: dict[str, Any]
) -> None:
    usual = {site.digests["2"]: "wrong 0.1"} if behaviour.startswith("wrong") else {}
    behave(site.project.environment, usual)
    with Traffic(site.servers, truths=bool(usual)) as traffic:
        rollout_id = site.start(**{"steps": [10, 100], "pause_at": [2], **policy})
        site.wait(rollout_id, "running")
        behave(site.project.environment, usual | {site.digests["1"]: behaviour})
        site.wait(rollout_id, "rolled_back", timeout_s=400)  # answers count, and a busy machine gives few a second
    behave(site.project.environment, {})
    assert traffic.failures == []
    (incident,) = [each for each in incidents(site) if each["rollout_id"] == rollout_id]
    assert trigger in incident["trigger"]["name"]
    assert answered_after_detection_s(site, rollout_id) <= 1.0


@pytest.fixture(autouse=True)
def unlatched(site: Site) -> Iterator[None]:
    """The next test may try the same model again, whatever became of this one."""
    yield
    site.alive.http.post("/rollouts/newest/abort", json={})
    for incident in incidents(site):
        assert site.alive.http.post(f"/incidents/{incident['id']}/unlatch", json={}).status_code == 200


def incidents(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.alive.http.get("/incidents").json()["incidents"]
    return [site.alive.http.get(f"/incidents/{each['id']}").json()["incident"] for each in found]


def answered_after_detection_s(site: Site, rollout_id: str) -> float:
    """From the decision to the last answer that a client got from the candidate; negative: it was earlier."""
    time.sleep(0.5)
    with closing(sqlite3.connect(site.database)) as connection:
        last = connection.execute(
            "select max(at) from exposures where rollout_id = ? and answered = 'candidate'", [rollout_id]
        ).fetchone()[0]
        decided = connection.execute(
            "select min(at) from decisions where rollout_id = ? and action = 'roll_back'", [rollout_id]
        ).fetchone()[0]
    assert decided is not None
    return (datetime.fromisoformat(last) - datetime.fromisoformat(decided)).total_seconds() if last else -1.0


def test_an_equal_candidate_is_promoted_while_its_leader_is_killed_and_servers_are_replaced(site: Site) -> None:
    behave(site.project.environment, {})
    with Traffic(site.servers) as traffic:
        rollout_id = site.start()
        site.wait(rollout_id, "running")
        kill(site.servers[0].process)
        site.start_server()
        rollout = site.wait(rollout_id, "promoted", timeout_s=90)
        time.sleep(1)
        before = traffic.answers["champion", "1"]
        time.sleep(1)
        assert traffic.answers["champion", "1"] > before
    assert traffic.failures == []
    assert traffic.answers["candidate", "1"] > 0
    assert traffic.answers["control", "2"] > 0
    assert site.champion() == "1"
    replayed = site.project.run("rollout", "replay", rollout["id"])
    assert replayed["same"] is True
    assert len(replayed["decisions"]) >= 4


@pytest.mark.slow
def test_a_database_that_is_locked_for_ten_seconds_costs_no_answer_and_no_record(site: Site) -> None:
    behave(site.project.environment, {})
    candidate = "2" if site.champion() == "1" else "1"
    with Traffic(site.servers) as traffic:
        rollout_id = site.start(candidate=candidate)
        site.wait(rollout_id, "running")
        with closing(sqlite3.connect(site.database, isolation_level=None)) as connection:
            connection.execute("begin exclusive")
            before = traffic.answers.total()
            time.sleep(10)
            assert traffic.answers.total() > before + 100
            connection.execute("rollback")
        site.wait(rollout_id, "promoted", timeout_s=90)
    assert traffic.failures == []
    assert traffic.slowest_s < 5
    assert site.champion() == candidate
    with closing(sqlite3.connect(site.database)) as connection:
        told = connection.execute(
            "select intended, count(*) from exposures where rollout_id = ? group by 1", [rollout_id]
        )
        exposed = dict(told.fetchall())
    assert exposed["candidate"] == traffic.answers["candidate", candidate]


def test_the_history_says_who_was_live_at_any_time_for_any_key(site: Site) -> None:
    told = site.project.run("rollout", "live", "--key", "sensor-7")
    assert told["arm"] == "champion"


def test_a_person_may_take_the_champion_back(site: Site) -> None:
    champion = site.champion()
    with Traffic(site.servers) as traffic:
        site.project.run("rollback", "--why", "it looks wrong")
        deadline = time.monotonic() + 30
        while site.champion() == champion and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
    assert site.champion() != champion
    assert traffic.failures == []
