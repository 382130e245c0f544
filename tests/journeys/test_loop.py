"""The whole loop as its users live it: through the command and over HTTP, on embedded defaults."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project_kit import TONES_HZ, Project, Server, clip, write_clips

CLEAN_PREDICT = """
import io, json, sys
import numpy as np, soundfile
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/ecosight@champion")
waveform, rate = soundfile.read(sys.argv[2], dtype="float32")
frame = model.predict(waveform[None, :], params={"sample_rate": rate})
unwanted = ("ecosight", "modalities", "serving", "tensorflow", "keras")
ours = [name for name in sys.modules if name.split(".")[0] in unwanted]
print(json.dumps({"probabilities": {str(k): float(v) for k, v in frame.iloc[0].items()}, "ours": ours}))
"""


def test_upload_retrain_gate_swap_and_the_registry_gives_the_servers_answers(
    project: Project, serve: Callable[[], Server], tmp_path: Path
) -> None:
    write_clips(project.folder / "sounds", each=16)
    project.run("ingest", "sounds")
    first = project.run("train")
    assert first["verdict"] == "promoted"
    again = project.run("ingest", "sounds")
    assert again["accepted"] == 0
    assert project.run("retrain", "check") == {"due": False, "new_samples": 0, "threshold": 6}

    server = serve()
    server.wait_until("/health/ready")
    job_id = upload_until_job(server)
    server.wait_until_job(job_id)
    second = project.run("retrain", "history")[0]
    assert second["job_id"] == job_id
    assert second["new_samples"] >= 6
    assert second["total_samples"] == 48 + second["new_samples"]
    if second["verdict"] == "promoted":
        server.wait_for_version(second["model_version"])

    data = clip("high", 777)
    served = server.http.post("/predict", files={"file": ("clip.wav", data)}).json()
    assert served["predicted_class"] == "high"
    outside = answer_elsewhere(project, tmp_path, data)
    assert outside["ours"] == []
    assert outside["probabilities"] == pytest.approx(served["all_probabilities"], abs=1e-6)
    assert np.isclose(sum(served["all_probabilities"].values()), 1, atol=1e-5)


def upload_until_job(server: Server) -> str:
    for number in range(100, 120):
        for label in TONES_HZ:
            sent = {"file": (f"../../{number}.wav", clip(label, number))}
            answer = server.http.post("/upload", files=sent, data={"class_name": label})
            assert answer.status_code == 200, answer.text
            if answer.json().get("job_id"):
                return str(answer.json()["job_id"])
    raise AssertionError("sixty uploads started no retraining")


def answer_elsewhere(project: Project, folder: Path, data: bytes) -> dict:
    """The registered model's answer in a clean process that knows nothing of this checkout."""
    import json

    (folder / "clip.wav").write_bytes(data)
    tracking = f"sqlite:///{project.folder}/ecosight_data/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-I", "-c", CLEAN_PREDICT, tracking, str(folder / "clip.wav")],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict = json.loads(done.stdout.splitlines()[-1])
    return found
