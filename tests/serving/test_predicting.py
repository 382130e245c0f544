"""POST /predict and /predict/batch, over HTTP, with the real sound modality and real stores."""

from __future__ import annotations

import numpy as np
import pytest
from sounds import BANDS, bad_files, tone_wav
from waiting import wait_until

from ecosight.config import load_config
from modalities.sound import SoundModality


@pytest.fixture(scope="module")
def bad_audio_server(module_serve):
    return module_serve()


def test_a_clip_is_classified_with_every_promised_field(serve):
    server = serve()
    answer = server.predict(tone_wav(BANDS["mid"], seed=9), key="station-4")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["success"] is True
    assert told["predicted_class"] == "mid"
    assert set(told["all_probabilities"]) == {"low", "mid", "high"}
    assert sum(told["all_probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert told["confidence"] == max(told["all_probabilities"].values())
    assert 0 < told["processing_time"] < 5
    assert told["timestamp"].endswith("Z")
    assert told["model_version"] == "1"
    assert told["variant"] == "champion"
    kept = server.parts.predictions.get(told["prediction_id"])
    assert kept is not None
    assert (kept.key, kept.label, kept.model_digest) == ("station-4", "mid", told["model_digest"])


def test_the_key_falls_back_to_the_sensor_and_then_to_the_request(serve):
    server = serve()
    clip = tone_wav(BANDS["low"])
    by_sensor = server.predict(clip, sensor_id="mic-7").json()["prediction_id"]
    by_request = server.predict(clip).json()["prediction_id"]
    assert server.parts.predictions.get(by_sensor).key == "mic-7"
    assert server.parts.predictions.get(by_request).key == by_request


def test_an_arm_is_not_answered_by_another_where_no_rollout_is_under_way(serve):
    server, files = serve(), {"file": tone_wav(BANDS["low"])}
    refused = server.http.post("/predict", files=files, headers={"X-EcoSight-Arm": "candidate"})
    assert (refused.status_code, refused.json()["error"]["hint"]) == (
        404,
        "No rollout is under way: the champion answers.",
    )
    answer = server.http.post("/predict", files=files, headers={"X-EcoSight-Arm": "champion"})
    assert (answer.status_code, answer.json()["variant"]) == (200, "champion")


def test_the_server_answers_what_the_model_answers_in_process(serve, model_folders):
    server = serve()
    clips = [tone_wav(hz, seed=5, rate=44_100, channels=2) for hz in BANDS.values()]
    servable = SoundModality(load_config()).load_servable(model_folders["1"])
    expected = servable.predict([servable.prepare(clip) for clip in clips])
    for clip, row in zip(clips, expected, strict=True):
        told = server.predict(clip).json()["all_probabilities"]
        np.testing.assert_allclose([told[label] for label in servable.labels], row, atol=2e-6)


@pytest.mark.parametrize("kind", bad_files())
def test_bad_audio_is_refused_with_a_sentence(bad_audio_server, kind):
    answer = bad_audio_server.predict(bad_files()[kind])
    assert answer.status_code in (413, 415, 422), answer.text
    error = answer.json()["error"]
    assert len(error["message"].split()) >= 3
    assert error["code"] in ("media_too_large", "unsupported_media", "unreadable_media")


@pytest.mark.parametrize(
    ("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_every_promised_format_is_read(bad_audio_server, kind, subtype):
    clip = tone_wav(BANDS["mid"], rate=44_100, kind=kind, subtype=subtype)
    answer = bad_audio_server.predict(clip)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predicted_class"] == "mid"


def test_192_khz_with_8_channels_is_read(bad_audio_server):
    answer = bad_audio_server.predict(tone_wav(BANDS["high"], rate=192_000, channels=8, seconds=0.5))
    assert answer.status_code == 200, answer.text
    assert answer.json()["predicted_class"] == "high"


def test_a_batch_answers_in_order_and_a_bad_file_fails_alone(serve):
    server = serve()
    files = [
        ("files", ("a.wav", tone_wav(BANDS["low"]))),
        ("files", ("../../b.wav", b"nothing of the kind")),
        ("files", ("c.wav", tone_wav(BANDS["high"]))),
    ]
    answer = server.http.post("/predict/batch", files=files)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["success"], told["answered"], told["failed"]) == (False, 2, 1)
    assert [each["file"] for each in told["results"]] == ["a.wav", "b.wav", "c.wav"]
    assert [each.get("predicted_class") for each in told["results"]] == ["low", None, "high"]
    assert told["results"][1]["error"]["code"] == "unsupported_media"


def test_a_batch_takes_no_more_files_than_configured(serve):
    server = serve(serving={"batch_files": 3})
    files = [("files", (f"{n}.wav", tone_wav(300))) for n in range(4)]
    answer = server.http.post("/predict/batch", files=files)
    assert answer.status_code == 422
    assert "more than 3 files" in answer.json()["error"]["message"]


def test_one_large_file_of_a_batch_fails_alone(serve):
    server = serve(sound={"max_bytes": 50_000})
    files = [("files", ("big.wav", tone_wav(300, seconds=3))), ("files", ("small.wav", tone_wav(300)))]
    told = server.http.post("/predict/batch", files=files).json()
    assert [each["success"] for each in told["results"]] == [False, True]
    assert told["results"][0]["error"]["code"] == "media_too_large"


def test_without_a_model_predictions_say_so_and_the_first_one_is_picked_up(serve, registry):
    registry.promote(None)
    server = serve()
    answer = server.predict(tone_wav(300))
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "no_model"
    assert answer.json()["error"]["hint"]
    assert "Retry-After" in answer.headers
    registry.promote("1")
    wait_until(lambda: server.predict(tone_wav(300)).status_code == 200)
