"""API keys, roles, binding, and pages of other sites."""

from __future__ import annotations

import pytest
from sounds import tone_wav

from ecosight.config import load_config
from ecosight.errors import ConfigError
from serving.app import create_app
from serving.security import KEYS_VARIABLE, ApiKeys, Guard, check_binding, is_loopback

PREDICT, UPLOAD, OPERATE = "p" * 16, "u" * 16, "o" * 16
KEYS = {KEYS_VARIABLE: f"predict:{PREDICT}, upload:{UPLOAD},operate:{OPERATE}"}


@pytest.fixture(scope="module")
def keyed(module_serve):
    return module_serve(environ=KEYS)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/predict", "predict"),
        ("POST", "/predict/batch", "predict"),
        ("GET", "/status", "predict"),
        ("GET", "/metrics", "predict"),
        ("GET", "/training-history", "predict"),
        ("GET", "/jobs/job_1", "predict"),
        ("POST", "/feedback", "upload"),
        ("POST", "/upload", "upload"),
        ("POST", "/retrain", "operate"),
        ("GET", "/nowhere", "predict"),
    ],
)
def test_each_route_takes_the_roles_from_its_own_upwards(keyed, method, path, role):
    roles = ("predict", "upload", "operate")
    for key, its_role in ((PREDICT, "predict"), (UPLOAD, "upload"), (OPERATE, "operate")):
        status = keyed.http.request(method, path, headers={"X-API-Key": key}, content=b"[").status_code
        allowed = roles.index(its_role) >= roles.index(role)
        assert (status == 403) is not allowed, (its_role, status)
        assert status != 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "x" * 16},
        {"X-API-Key": PREDICT + "x"},
        {"X-API-Key": ""},
        {"X-API-Key": "é" * 16},
        {"Authorization": "Basic cDpw"},
        {"Authorization": "Bearer"},
    ],
)
def test_without_a_known_key_the_answer_is_401_and_says_how(keyed, headers):
    raw = {name: value.encode("utf-8") for name, value in headers.items()}
    answer = keyed.http.post("/predict", files={"file": tone_wav(300)}, headers=raw)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "X-API-Key" in answer.json()["error"]["hint"]


def test_a_key_may_come_as_bearer(keyed):
    assert keyed.http.get("/status", headers={"Authorization": f"Bearer {PREDICT}"}).status_code == 200
    assert keyed.http.get("/status", headers={"Authorization": f"bearer  {PREDICT}"}).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health", "/", "/docs", "/openapi.json"])
def test_health_and_the_description_are_open(keyed, path):
    assert keyed.http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("predict:short", "entry 1"),
        (f"admin:{OPERATE}", "role"),
        (f"operate/:{OPERATE}", "name"),
        (f"operate/a b:{OPERATE}", "name"),
        (f"operate/{'n' * 41}:{OPERATE}", "name"),
        (f"predict:{PREDICT},{UPLOAD}", "entry 2"),
        (f"predict:{PREDICT} x", "header"),
        ("predict:" + "ä" * 20, "header"),
    ],
)
def test_a_key_that_cannot_be_used_is_a_config_error_that_does_not_show_it(text, said):
    with pytest.raises(ConfigError, match=said) as caught:
        ApiKeys.from_text(text)
    for secret in ("short", OPERATE, UPLOAD, PREDICT):
        assert secret not in f"{caught.value.message}{caught.value.hint}{caught.value.context}"


def test_a_key_has_the_name_that_it_was_given_or_its_place():
    keys = ApiKeys.from_text(f"operate/ann:{OPERATE},predict:{PREDICT}")
    named, unnamed = keys.caller_of(OPERATE.encode()), keys.caller_of(PREDICT.encode())
    assert (named.name, named.role, named.may("upload")) == ("ann", "operate", True)
    assert (unnamed.name, unnamed.role, unnamed.may("upload")) == ("key 2 (predict)", "predict", False)
    assert keys.caller_of(b"x") is None


def test_no_keys_are_no_keys():
    assert not ApiKeys.from_text("")
    assert not ApiKeys.from_text(" , ")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_only_loopback_is_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_beyond_loopback_a_server_without_keys_does_not_start(make_parts):
    parts = make_parts(serving={"host": "0.0.0.0"})
    with pytest.raises(ConfigError, match=KEYS_VARIABLE) as caught:
        create_app(parts, environ={})
    assert "openssl rand" in caught.value.hint
    create_app(parts, environ=KEYS)


def test_keys_can_be_required_on_loopback_and_waived_beyond():
    strict = load_config(security={"require_keys": True})
    with pytest.raises(ConfigError):
        check_binding(strict, {})
    waived = load_config(serving={"host": "0.0.0.0"}, security={"require_keys": False})
    assert "open to everybody" in check_binding(waived, {})
    assert "3 keys" in check_binding(strict, KEYS)


def test_without_keys_pages_of_other_sites_are_refused(serve):
    server = serve()
    clip = {"file": tone_wav(300)}
    strange = server.http.post("/predict", files=clip, headers={"Origin": "https://evil.example"})
    assert strange.status_code == 403
    own = server.http.post("/predict", files=clip, headers={"Origin": server.url})
    assert own.status_code == 200
    rebound = server.http.get("/status", headers={"Host": "evil.example"})
    assert rebound.status_code == 403
    assert server.http.get("/status", headers={"Host": "localhost:9"}).status_code == 200


@pytest.mark.parametrize("origin", ["null", "http://[::1", "::::", "https://", "\u00e4"])
def test_a_strange_origin_is_refused_and_never_a_fault(origin):
    headers = [(b"host", b"127.0.0.1:8000"), (b"origin", origin.encode("utf-8"))]
    assert Guard(load_config(), {}).check("POST", "/predict", headers) is not None


@pytest.mark.parametrize("host", [b"[::1", b"evil:x:y", b"\xff", b"]"])
def test_a_strange_host_is_refused_and_never_a_fault(host):
    assert Guard(load_config(), {}).check("GET", "/status", [(b"host", host)]) is not None


def test_cors_is_for_configured_origins_and_without_credentials(serve):
    server = serve(security={"cors_origins": ["https://app.example"]}, environ=KEYS)
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    allowed = server.http.options("/predict", headers={"Origin": "https://app.example", **ask})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in allowed.headers
    refused = server.http.options("/predict", headers={"Origin": "https://evil.example", **ask})
    assert refused.status_code == 400
    # A refusal reaches the page too, so that it can show why.
    told = server.http.post("/predict", headers={"Origin": "https://app.example"})
    assert told.status_code == 401
    assert told.headers["access-control-allow-origin"] == "https://app.example"


def test_without_configured_origins_there_is_no_cors_at_all(serve):
    answer = serve().http.get("/status", headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_carries_the_security_headers(serve):
    server = serve()
    for answer in (server.http.get("/status"), server.http.get("/nowhere"), server.predict(b"")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
