"""Two servers and a canary over Redis, which is stopped, emptied and put back under them: no client notices."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from project_kit import TONES_HZ, Project, Server, clip, write_clips
from redis_kit import RedisServer

QUICK = {"min_units": 20, "min_step_s": 1, "reference_requests": 40, "rollback_window_s": 2}


@pytest.mark.slow
def test_a_canary_goes_on_while_redis_is_stopped_emptied_and_restarted(
    project: Project, serve: Callable[[], Server], postgres_url: str, redis_server: RedisServer
) -> None:
    project.environment |= {
        "ECOSIGHT__DATABASE__URL": postgres_url,
        "ECOSIGHT__REDIS__URL": redis_server.url,
        "ECOSIGHT__SERVING__RUN_JOBS": "false",
    }
    for first, each in ((0, 12), (12, 4)):
        write_clips(project.folder / "sounds", each=each, first=first)
        project.run("ingest", "sounds")
        project.run("train")
    checks = {check["name"]: check for check in project.run("doctor")["checks"]}
    assert checks["redis"]["ok"]
    servers = [serve() for _ in range(2)]
    for server in servers:
        server.wait_until("/health/ready")
    with clients(servers) as (answers, failures):
        for harm in (redis_server.stop, redis_server.flush, redis_server.silence):
            rollout_id = begin(servers[0], pause_at=[3])  # a slow machine's command line comes seconds later
            wait(servers[1], rollout_id, "running")
            assert redis_server.keys("routing") != []
            harm()
            wait(servers[1], rollout_id, "running", "paused", stage=2)
            assert follow_one_epoch(servers)
            if harm == redis_server.stop:
                redis_server.start()
            if harm == redis_server.silence:
                redis_server.wake()
            project.run("rollout", "abort")
            wait(servers[1], rollout_id, "aborted")
            before = answers["candidate"]
            time.sleep(1)
            after_a_second = answers["candidate"]
            time.sleep(1)
            assert answers["candidate"] == after_a_second > 0
            assert before > 0
        rollout_id = begin(servers[0])
        while servers[0].http.get(f"/rollouts/{rollout_id}").json()["rollout"]["state"] != "promoted":
            redis_server.flush()  # also between the two phases of the promotion
            time.sleep(0.05)
    assert failures == []
    assert project.run("rollout", "live")["routing"]["arms"][0]["model"]["version"] == "1"
    assert [int(value.split()[0]) for value in posted(redis_server)] == [epoch_of(servers[0])]


@contextmanager
def clients(servers: list[Server]) -> Iterator[tuple[Counter[str], list[str]]]:
    """Four that ask without a pause worth the name, each request with a key of its own."""
    answers: Counter[str] = Counter()
    failures: list[str] = []
    stop = threading.Event()
    clips = [clip(label, number) for label in TONES_HZ for number in range(50, 56)]

    def ask(client: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
            number = client
            while not stop.wait(0.03):
                number += 1
                answer = http.post(
                    f"{servers[number % len(servers)].http.base_url}/predict",
                    files={"file": ("a.wav", clips[number % len(clips)])},
                    data={"key": f"{client}-{number}"},
                )
                if answer.status_code == 200:
                    answers[answer.json()["variant"]] += 1
                else:
                    failures.append(answer.text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answers, failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def begin(server: Server, **policy: Any) -> str:
    body = {"candidate": "1", "strategy": "canary", "policy": {"steps": [20, 50, 100], **QUICK, **policy}}
    answer = server.http.post("/rollouts", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["rollout"]["id"])


def wait(server: Server, rollout_id: str, *states: str, stage: int = 0, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    rollout: dict[str, Any] = {}
    while time.monotonic() < deadline:
        rollout = server.http.get(f"/rollouts/{rollout_id}").json()["rollout"]
        if rollout["state"] in states and rollout["stage"] >= stage:
            return
        time.sleep(0.1)
    raise AssertionError(f"{rollout_id} is {rollout['state']}, stage {rollout['stage']}: {rollout['outcome']}")


def follow_one_epoch(servers: list[Server]) -> bool:
    """Whether both servers stand at the newest epoch within a second, and are known to be alive."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        told = servers[0].http.get("/rollouts/newest").json()
        if len(told["servers"]) == 2 and {each["epoch"] for each in told["servers"]} == {epoch_of(servers[0])}:
            return True
        time.sleep(0.1)
    return False


def epoch_of(server: Server) -> int:
    return int(server.http.get("/routing").json()["routing"]["epoch"])


def posted(server: RedisServer) -> list[bytes]:
    with server.client() as client:
        return [client.get(key) for key in server.keys("routing")]
