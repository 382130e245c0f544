"""A new champion is swapped in while clients ask without pause."""

from __future__ import annotations

import threading
import time
from collections import Counter

import httpx
import pytest
from sounds import BANDS, tone_wav
from waiting import wait_until

CLASSES = {"1": {"low", "mid", "high"}, "2": {"low", "mid", "high", "top"}}


class Load:
    """Clients that ask without pause and keep every answer."""

    def __init__(self, url: str, clients: int) -> None:
        self.answers: list[dict] = []
        self.failures: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        clips = [tone_wav(hz, seed=number, seconds=0.5) for hz in BANDS.values()]
        with httpx.Client(base_url=self._url, timeout=20, trust_env=False) as http:
            turn = 0
            while not self._stop.is_set():
                try:
                    answer = http.post("/predict", files={"file": ("a.wav", clips[turn % 4])})
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                else:
                    if answer.status_code == 200:
                        self.answers.append(answer.json())
                    else:
                        self.failures.append(answer.text)
                turn += 1


def test_no_request_fails_while_models_are_swapped_and_each_answer_is_of_one_model(serve, registry):
    server = serve()
    with Load(server.url, clients=8) as load:
        for version in ("2", "1", "2", "1", "2"):
            time.sleep(0.3)
            registry.promote(version)
            wait_until(lambda v=version: server.http.get("/status").json()["model_version"] == v)
        time.sleep(0.3)
    assert not load.failures, Counter(load.failures)
    versions = Counter(answer["model_version"] for answer in load.answers)
    assert set(versions) == {"1", "2"}
    for answer in load.answers:
        assert set(answer["all_probabilities"]) == CLASSES[answer["model_version"]]
        assert answer["model_digest"] == registry.ref(answer["model_version"]).digest
    kept = [
        server.parts.predictions.get(answer["prediction_id"]) for answer in load.answers[:: len(load.answers) // 20]
    ]
    assert all(each is not None and set(each.probabilities) == CLASSES[each.model_version] for each in kept)
    assert server.parts.predictions.counts()["predictions"] == len(load.answers)


def test_every_file_of_a_batch_is_answered_by_the_same_model(serve, registry):
    server = serve()
    stop = threading.Event()

    def swap():
        while not stop.wait(0.1):
            registry.promote("2" if registry.version == "1" else "1")

    thread = threading.Thread(target=swap)
    thread.start()
    files = [("files", (f"{n}.wav", tone_wav(300, seed=n, seconds=0.3))) for n in range(24)]
    try:
        for _ in range(12):
            told = server.http.post("/predict/batch", files=files).json()
            assert told["answered"] == 24
            assert len({each["model_version"] for each in told["results"]}) == 1
    finally:
        stop.set()
        thread.join()


def test_a_damaged_model_is_not_swapped_in_and_the_fault_is_shown(serve, registry, broken_model):
    server = serve()
    registry.add("3", broken_model)
    registry.promote("3")
    wait_until(lambda: server.http.get("/status").json()["registry_fault"])
    told = server.http.get("/status").json()
    assert told["model_version"] == "1"
    assert told["registry_fault"]["model_version"] == "3"
    assert told["registry_fault"]["code"] == "integrity"
    assert server.predict(tone_wav(300)).json()["model_version"] == "1"
    assert server.http.get("/metrics").json()["serving"]["failed_swaps"] >= 1
    assert server.http.get("/health/ready").status_code == 200
    registry.promote("2")
    wait_until(lambda: server.http.get("/status").json()["model_version"] == "2")
    assert server.http.get("/status").json()["registry_fault"] is None


def test_the_last_model_answers_on_while_the_registry_is_away(serve, registry):
    server = serve(store_checks={})
    registry.reachable = False
    wait_until(lambda: server.http.get("/status").json()["registry_fault"])
    assert server.predict(tone_wav(300)).json()["model_version"] == "1"
    registry.reachable = True
    registry.promote("2")
    wait_until(lambda: server.http.get("/status").json()["model_version"] == "2")


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_metrics_name_the_model_that_answers_now_alone(serve, registry, version):
    server = serve()
    for each in ("2", "1", version):
        registry.promote(each)
        wait_until(lambda v=each: server.http.get("/status").json()["model_version"] == v)
    text = server.http.get("/metrics", headers={"Accept": "text/plain"}).text
    shown = [line for line in text.splitlines() if line.startswith("ecosight_model_info{")]
    assert len(shown) == 1
    assert f'version="{version}"' in shown[0]
