"""Whatever comes in, the answer is a 2xx or a 4xx in the promised shape, never a 5xx."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sounds import BANDS, tone_wav, wav_header

BOUNDARY = b"edge"
KINDS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "MS_ADPCM"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
         ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]  # fmt: skip
GOOD = [tone_wav(BANDS["mid"], rate=48_000, seconds=0.3, kind=kind, subtype=subtype) for kind, subtype in KINDS]

# Each example is a request to a real server on a machine that may be busy.
patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server(module_serve):
    return module_serve(serving={"batch_files": 4}, sound={"max_bytes": 100_000})


def check(answer, *expected):
    assert answer.status_code in expected, answer.text
    told = answer.json()
    if answer.status_code >= 400:
        assert told["success"] is False
        assert set(told["error"]) == {"code", "message", "hint", "context"}
        assert len(told["error"]["message"]) > 10
    return told


@patient
@given(st.sampled_from(GOOD), st.data())
def test_damaged_recordings(server, good, data):
    damaged = bytearray(good[: data.draw(st.integers(0, len(good)), label="kept bytes")])
    for _ in range(data.draw(st.integers(0, 8), label="flips")):
        if damaged:
            damaged[data.draw(st.integers(0, min(len(damaged), 400) - 1))] = data.draw(st.integers(0, 255))
    check(server.predict(bytes(damaged)), 200, 413, 415, 422)


@patient
@given(
    rate=st.integers(0, 2**32 - 1),
    channels=st.integers(0, 2**16 - 1),
    bits=st.sampled_from([0, 1, 8, 12, 16, 24, 32, 64, 65535]),
    code=st.sampled_from([0, 1, 2, 3, 6, 7, 17, 0xFFFE]),
    claimed=st.integers(0, 2**32 - 1),
    held=st.integers(0, 20_000),
)
def test_headers_that_claim_anything(server, rate, channels, bits, code, claimed, held):
    try:
        head = wav_header(rate=rate, channels=channels, bits=bits, data_bytes=claimed, code=code)
    except Exception:
        head = wav_header(data_bytes=claimed)[:40]
    noise = np.random.default_rng(0).integers(0, 256, held, np.uint8).tobytes()
    check(server.predict(head + noise), 200, 413, 415, 422)


@patient
@given(st.binary(max_size=2000))
def test_anything_as_a_body(server, body):
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    for path in ("/predict", "/predict/batch", "/upload"):
        check(server.http.post(path, content=body, headers=headers), 413, 422)


@patient
@given(st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=100)), max_size=8))
def test_anything_as_parts(server, parts):
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="'
        + name
        + b'"; filename="'
        + file
        + b'"\r\n\r\n'
        + data
        + b"\r\n"
        for name, file, data in [(b"file", b"a.wav", GOOD[0]), *parts]
    )
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    check(server.http.post("/predict", content=body + b"--edge--\r\n", headers=headers), 200, 413, 415, 422)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=10), each, max_size=3),
    max_leaves=8,
)


@patient
@given(JSON, JSON, JSON)
def test_anything_as_json(server, first, second, third):
    told = {"prediction_id": first, "true_label": second, "annotator": third}
    headers = {"Content-Type": "application/json"}
    check(server.http.post("/feedback", content=json.dumps(told), headers=headers), 404, 422)
    asked = {"trigger_reason": first, "epochs": second, "min_accuracy": third, "min_new_samples": 10**6}
    check(server.http.post("/retrain", content=json.dumps(asked), headers=headers), 409, 422)
    check(server.http.post("/retrain", content=json.dumps([asked]), headers=headers), 422)


@patient
@given(label=st.text(max_size=80), group=st.text(max_size=250), moment=st.text(max_size=40), name=st.text(max_size=300))
def test_anything_as_the_fields_of_an_upload(server, label, group, moment, name):
    fields = {"class_name": label, "group": group, "captured_at": moment}
    parts = [(each.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for each, value in fields.items()]
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="' + k + b'"\r\n\r\n' + v + b"\r\n" for k, v in parts
    )
    shown = name.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")
    body += b'--edge\r\nContent-Disposition: form-data; name="file"; filename="' + shown + b'"\r\n\r\n' + GOOD[0]
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    check(server.http.post("/upload", content=body + b"\r\n--edge--\r\n", headers=headers), 200, 409, 422)


@patient
@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=60))
@example("incidents")  # this server has no rollouts
def test_anything_as_a_path(server, text):
    from urllib.parse import quote

    for path in (f"/jobs/{quote(text, safe='')}", f"/{quote(text)}"):
        answer = server.http.get(path, headers={"Accept": "application/json"}, follow_redirects=True)
        assert answer.status_code < 500


def test_nothing_of_it_was_a_fault_of_the_server(server):
    requests = server.http.get("/metrics").json()["serving"]["requests"]
    assert not [each for each in requests if each["status"] >= 500]
    assert sum(each["count"] for each in requests) > 300
