"""GET /status, /metrics, /health*, the front page and the OpenAPI document."""

from __future__ import annotations

import re
import threading
import time

import pytest
from sounds import tone_wav
from waiting import wait_until

from ecosight.errors import Unavailable
from serving.metrics import preferred_type
from serving.readiness import StoreChecks


def test_status_says_what_runs(serve):
    server = serve()
    server.predict(tone_wav(300))
    server.upload(tone_wav(300), "low")
    told = server.http.get("/status").json()
    assert told["ready"] is True
    assert told["model_version"] == "1"
    assert told["classes"] == ["low", "mid", "high"]
    assert told["embedder"] == "logmel"
    assert told["engine"] == "onnxruntime"
    assert told["uptime_s"] > 0
    assert told["counts"]["samples_by_label"] == {"low": 1}
    assert told["counts"]["predictions"] == 1
    assert told["retraining"]["new_samples"] == 1
    assert told["retraining"]["threshold"] == 100
    assert told["registry_fault"] is None
    assert told["unreachable"] == {}


def test_status_answers_in_part_when_a_store_is_away(serve):
    def away():
        raise Unavailable("the database is away")

    server = serve(check_trigger=away)
    told = server.http.get("/status").json()
    assert told["retraining"]["new_samples"] is None
    assert told["unreachable"] == {"trigger": "the database is away"}
    assert told["counts"]["samples"] == 0


def test_metrics_are_json_for_people_and_text_for_scrapers(serve):
    server = serve()
    for _ in range(3):
        server.predict(tone_wav(300))
    server.predict(b"no sound")
    told = server.http.get("/metrics").json()
    assert told["model"]["model_version"] == "1"
    assert told["serving"]["predictions_by_label"] == {"low": 3}
    counts = {(each["route"], each["status"]): each["count"] for each in told["serving"]["requests"]}
    assert counts["/predict", 200] == 3
    assert counts["/predict", 415] == 1
    assert told["serving"]["latency_ms"]["p50"] > 0
    assert told["serving"]["inference"]["files"] == 3
    assert told["serving"]["swaps"] == 1

    text = server.http.get("/metrics", headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    assert 'ecosight_http_requests_total{route="/predict",status="200"} 3.0' in text.text
    assert "ecosight_queue_files 0.0" in text.text
    assert "process_resident_memory_bytes" in text.text
    scraper = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    openmetrics = server.http.get("/metrics", headers={"Accept": scraper})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


def test_what_is_refused_before_its_route_is_counted_there_and_unknown_paths_together(serve):
    server = serve(sound={"max_bytes": 1000})
    assert server.predict(bytes(200_000)).status_code == 413
    assert server.http.post("/retrain", headers={"Origin": "https://evil.example"}).status_code == 403
    for number in range(3):
        assert server.http.get(f"/random/{number}").status_code == 404
    requests = server.http.get("/metrics").json()["serving"]["requests"]
    counts = {(each["route"], each["status"]): each["count"] for each in requests}
    assert counts == {("/predict", 413): 1, ("/retrain", 403): 1, ("other", 404): 3}


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/plain", "text/plain"),
        ("text/plain;q=0.5, application/json;q=0.4", "text/plain"),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("text/plain;q=x", "application/json"),
        (";;;,,,q=", "application/json"),
    ],
)
def test_the_accept_header_decides_what_metrics_are(accept, wanted):
    assert preferred_type(accept) == wanted


def test_live_needs_nothing_and_ready_needs_model_and_stores(serve, registry):
    registry.promote(None)
    server = serve()
    assert server.http.get("/health/live").status_code == 200
    answer = server.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == {"model": "no model is registered as champion yet"}
    registry.promote("1")
    wait_until(lambda: server.http.get("/health/ready").status_code == 200)
    assert server.http.get("/health").json()["status"] == "ready"


def test_an_unreachable_store_makes_the_server_unready_but_not_dead(serve, registry):
    server = serve()
    registry.reachable = False
    wait_until(lambda: server.http.get("/health/ready").status_code == 503)
    told = server.http.get("/health/ready").json()
    assert told["reasons"] == {"registry": "the registry cannot be reached"}
    assert server.http.get("/health/live").status_code == 200
    assert server.predict(tone_wav(300)).status_code == 200
    registry.reachable = True
    wait_until(lambda: server.http.get("/health/ready").status_code == 200)


def test_a_store_that_hangs_is_told_of_and_asked_by_one_thread_only():
    release, asked = threading.Event(), []

    def hang():
        asked.append(1)
        release.wait(10)

    checks = StoreChecks({"slow": hang, "fine": lambda: None}, limit_s=0.1, hold_s=0.0)
    for _ in range(3):
        began = time.monotonic()
        found = checks.faults()
        assert time.monotonic() - began < 1
        assert found["fine"] is None
        assert "no answer" in found["slow"]
    assert len(asked) == 1
    release.set()
    wait_until(lambda: checks.faults()["slow"] is None)


def test_findings_hold_for_a_while():
    asked = []
    checks = StoreChecks({"store": lambda: asked.append(1)}, hold_s=60)
    for _ in range(10):
        checks.faults()
    assert len(asked) == 1


def test_a_drivers_own_error_is_told_by_its_class_alone():
    def fail():
        raise ConnectionError("postgresql://user:secret@host")

    assert StoreChecks({"store": fail}).faults() == {"store": "ConnectionError"}


def test_the_front_page_lists_the_routes_for_browsers_and_programs(serve):
    server = serve()
    page = server.http.get("/", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    told = server.http.get("/").json()
    for route in ("/predict", "/predict/batch", "/upload", "/retrain", "/jobs/{job_id}", "/metrics", "/health/ready"):
        assert route in page.text
        assert route in [each["path"] for each in told["routes"]]
    assert all(each["does"] for each in told["routes"])


def test_openapi_describes_forms_errors_and_examples(serve):
    described = serve().http.get("/openapi.json").json()
    predict = described["paths"]["/predict"]["post"]
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", "key", "sensor_id"}
    for status in ("401", "413", "415", "422", "429", "503"):
        schema = predict["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert described["components"]["schemas"]["PredictAnswer"]["properties"]["predicted_class"]["examples"]


def test_the_interface_page_loads_nothing_from_elsewhere(serve) -> None:
    server = serve()
    page = server.http.get("/docs").text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) == 3
    assert all(file.startswith("/docs/files/") for file in files)
    assert {server.http.get(file).status_code for file in files} == {200}
