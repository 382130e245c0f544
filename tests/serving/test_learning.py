"""POST /feedback, /upload, /retrain, GET /jobs/{id} and /training-history."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sounds import tone_wav

from ecosight.state.retrainings import RetrainingRecord


@pytest.fixture(scope="module")
def shared(module_serve):
    return module_serve(retraining={"min_new_samples": 1000})


def test_feedback_is_recorded_once_and_a_new_truth_replaces_the_old(shared):
    prediction = shared.predict(tone_wav(900, seed=1)).json()
    told = {"prediction_id": prediction["prediction_id"], "true_label": "mid"}
    first = shared.http.post("/feedback", json=told)
    assert first.status_code == 200, first.text
    assert first.json()["recorded"] is True
    assert first.json()["correct"] is True
    assert first.json()["label_known"] is True
    assert shared.http.post("/feedback", json=told).json()["recorded"] is False
    other = shared.http.post("/feedback", json={**told, "true_label": "fox"}).json()
    assert (other["recorded"], other["correct"], other["label_known"]) == (True, False, False)


def test_feedback_counts_towards_the_live_accuracy(serve):
    server = serve()
    assert server.http.get("/status").json()["accuracy"]["live"] == {"value": None, "outcomes": 0}
    for truth in ("low", "low", "high"):
        made = server.predict(tone_wav(300)).json()
        server.http.post("/feedback", json={"prediction_id": made["prediction_id"], "true_label": truth})
    assert server.http.get("/status").json()["accuracy"]["live"] == {"value": pytest.approx(2 / 3), "outcomes": 3}


@pytest.mark.parametrize("prediction_id", ["pred_0123456789abcdefghjkmnpqrs", "../../etc/passwd", "x" * 64, "' OR 1=1"])
def test_feedback_on_an_unknown_prediction_is_404(shared, prediction_id):
    answer = shared.http.post("/feedback", json={"prediction_id": prediction_id, "true_label": "mid"})
    assert answer.status_code == 404
    assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"[" * 30_000,
        b'{"prediction_id": 5, "true_label": "mid"}',
        b'{"prediction_id": "pred_1"}',
        b'{"prediction_id": "pred_1", "true_label": ""}',
        b'{"prediction_id": "pred_1", "true_label": "a/b"}',
        b'{"prediction_id": "pred_1", "true_label": "\\ud800"}',
        b'{"prediction_id": "pred_\\u0000", "true_label": "mid"}',
        b'{"prediction_id": "pred_1", "true_label": "mid", "annotator": "a\\u0000b"}',
        b'{"prediction_id": "pred_1", "true_label": "mid", "extra": 1}',
        b'{"prediction_id": "\xff\xfe", "true_label": "mid"}',
        b'{"prediction_id": "pred_1", "true_label": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_bad_feedback_is_422_with_a_sentence(shared, body):
    answer = shared.http.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["success"] is False
    assert answer.json()["error"]["message"]


def test_a_json_body_without_its_type_is_422(shared):
    assert shared.http.post("/feedback", content=b'{"prediction_id": "a", "true_label": "b"}').status_code == 422


def test_an_upload_is_accepted_once_and_then_a_duplicate(serve):
    server = serve()
    clip = tone_wav(300, seed=2)
    first = server.upload(
        clip, "low", name="../../evil/../low.wav", group="site-1", captured_at="2026-05-01T14:00+02:00"
    )
    assert first.status_code == 200, first.text
    assert first.json()["status"] == "accepted"
    kept = server.parts.samples.get(first.json()["sample_id"])
    assert (kept.label, kept.source, kept.group) == ("low", "low.wav", "site-1")
    assert kept.captured_at == datetime(2026, 5, 1, 12, tzinfo=UTC)
    again = server.upload(clip, "low").json()
    assert (again["status"], again["sample_id"], again["new_samples"]) == ("duplicate", kept.id, 1)
    contradiction = server.upload(clip, "high")
    assert contradiction.status_code == 409
    assert contradiction.json()["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "class_name"),
        ({"class_name": ""}, "class_name"),
        ({"class_name": "../up"}, "path"),
        ({"class_name": "x" * 100}, "100 characters"),
        ({"class_name": "low", "captured_at": "yesterday"}, "captured_at"),
        ({"class_name": "low", "captured_at": "2026-05-01T12:00:00"}, "zone"),
        ({"class_name": "low", "captured_at": "0001-01-01T00:00:00+23:00"}, "captured_at"),
        ({"class_name": "low", "group": "g" * 300}, "group"),
    ],
)
def test_an_upload_with_a_bad_field_is_422(shared, fields, said):
    answer = shared.http.post("/upload", files={"file": ("a.wav", tone_wav(300))}, data=fields)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]


def test_an_unreadable_upload_leaves_nothing(serve):
    server = serve()
    answer = server.upload(b"no sound", "low")
    assert answer.status_code == 415
    assert server.parts.samples.count() == 0
    assert not [each for each in server.parts.config.blob_folder.rglob("*") if each.is_file()]


def test_the_upload_that_reaches_the_threshold_starts_one_retraining(serve):
    server = serve(retraining={"min_new_samples": 3})
    answers = [server.upload(tone_wav(300, seed=n), "low").json() for n in range(5)]
    assert [each["retraining_started"] for each in answers] == [False, False, True, False, False]
    assert [each["new_samples"] for each in answers] == [1, 2, 3, 4, 5]
    assert answers[0]["job_id"] is None
    assert len({each["job_id"] for each in answers[2:]}) == 1
    (job,) = server.parts.jobs.jobs("retrain")
    assert job.id == answers[2]["job_id"]
    assert "3 new recordings" in job.payload["reason"]
    assert server.http.get("/status").json()["retraining"]["job_id"] == job.id


def test_a_duplicate_starts_no_retraining(serve):
    server = serve(retraining={"min_new_samples": 1})
    clip = tone_wav(300)
    job_id = server.upload(clip, "low").json()["job_id"]
    server.parts.jobs.cancel(job_id)
    again = server.upload(clip, "low").json()
    assert (again["status"], again["retraining_started"], again["job_id"]) == ("duplicate", False, None)
    assert len(server.parts.jobs.jobs()) == 1


def test_with_automatic_off_uploads_start_nothing(serve):
    server = serve(retraining={"min_new_samples": 1, "automatic": False})
    answer = server.upload(tone_wav(300), "low").json()
    assert (answer["retraining_started"], answer["job_id"]) == (False, None)
    assert server.parts.jobs.jobs() == []


def test_a_retraining_is_queued_with_its_settings_and_shown(serve):
    server = serve()
    asked = {"trigger_reason": "monthly", "epochs": 5, "min_accuracy": 0.9}
    answer = server.http.post("/retrain", json=asked)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    shown = server.http.get(answer.json()["location"]).json()
    assert (shown["id"], shown["kind"], shown["status"]) == (job_id, "retrain", "queued")
    assert shown["payload"] == {"reason": "monthly", "epochs": 5, "min_accuracy": 0.9}
    second = server.http.post("/retrain")
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "already_running"
    assert second.json()["error"]["context"]["running_id"] == job_id


def test_a_retraining_needs_no_body(serve):
    answer = serve().http.post("/retrain")
    assert answer.status_code == 202, answer.text


def test_a_retraining_that_asks_for_more_data_than_there_is_says_so(serve):
    server = serve()
    server.upload(tone_wav(300), "low")
    answer = server.http.post("/retrain", json={"min_new_samples": 5})
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "not_enough_data"
    assert (error["context"]["new_samples"], error["context"]["min_new_samples"]) == (1, 5)
    assert server.http.post("/retrain", json={"min_new_samples": 1}).status_code == 202


@pytest.mark.parametrize(
    "asked",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"epochs": "many"},
        {"epochs": 2.5},
        {"epochs": True},
        {"epochs": 10**9},
        {"min_accuracy": 1.5},
        {"min_accuracy": -0.1},
        {"min_new_samples": -1},
        {"trigger_reason": "x" * 500},
        {"trigger_reason": "a\nb"},
        {"epoch": 5},
    ],
)
def test_a_retraining_with_a_bad_setting_is_422_and_names_it(shared, asked):
    answer = shared.http.post("/retrain", json=asked)
    assert answer.status_code == 422, answer.text
    assert next(iter(asked)) in answer.json()["error"]["message"]
    assert shared.parts.jobs.jobs() == []


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"9" * 400])
def test_a_min_accuracy_that_is_no_share_is_422(shared, number):
    body = b'{"min_accuracy": ' + number + b"}"
    answer = shared.http.post("/retrain", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize("job_id", ["job_0123456789abcdefghjkmnpqrs", "%00", "..%2F..%2Fetc", "x" * 500, "%ff"])
def test_an_unknown_job_is_404(shared, job_id):
    answer = shared.http.get(f"/jobs/{job_id}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_history_shows_retrainings_newest_first_with_their_curves(serve):
    server = serve()
    for number in range(3):
        server.parts.retrainings.add(record(number))
    told = server.http.get("/training-history").json()
    assert [each["job_id"] for each in told["retrainings"]] == ["job_2", "job_1", "job_0"]
    assert told["retrainings"][0]["history"] == {"loss": [1.0, 0.5], "val_loss": [1.1, None]}
    assert len(server.http.get("/training-history", params={"limit": 1}).json()["retrainings"]) == 1
    assert server.http.get("/training-history", params={"limit": 0}).status_code == 422
    assert server.http.get("/training-history", params={"limit": "many"}).status_code == 422


def record(number: int, **given) -> RetrainingRecord:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return RetrainingRecord(
        **{
            "job_id": f"job_{number}",
            "started_at": now,
            "finished_at": now,
            "reason": "test",
            "verdict": "promoted",
            "accuracy": 0.9,
            "sample_counts": {"low": 5},
            "history": {"loss": [1.0, 0.5], "val_loss": [1.1, None]},
            **given,
        }
    )


def test_status_shows_the_accuracy_that_was_measured_on_this_very_model(serve, registry):
    server = serve()
    ref = registry.ref("1")
    server.parts.retrainings.add(record(1, model_version="1", model_digest="other", accuracy=0.1))
    assert server.http.get("/status").json()["accuracy"]["test"] is None
    server.parts.retrainings.add(
        record(2, model_version="1", model_digest=ref.digest, accuracy=0.97, dataset="main@v3")
    )
    told = server.http.get("/status").json()["accuracy"]["test"]
    assert (told["accuracy"], told["dataset"]) == (0.97, "main@v3")
