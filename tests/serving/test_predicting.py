from __future__ import annotations

import pytest
from sounds import BANDS, tone_wav


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
