"""Speed is that of the servable that is served, from fresh processes, with its spread and its machine."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ecosight.config import Config, EvaluationSection, load_config
from ecosight.config.gates import SPEED_NAMES
from ecosight.errors import IntegrityError, InvalidInput, NotEnoughData
from ecosight.progress import NullProgress
from evaluation.classification import evaluate_classification
from evaluation.gates import Measured, judge_candidate, replay_gate
from evaluation.page import report_page
from evaluation.speed import Effort, SpeedReport, Timing, measure_speed, speed_lines

QUICK = Effort(repeats=2, warmup=2, requests=25, batch_sizes=(1, 4), batch_seconds=0.02)


def clip(seconds: float) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(int(1000 * seconds)).normal(0, 0.1, int(16000 * seconds))
    soundfile.write(file, noise, 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()


SAMPLES = [clip(0.5), clip(1.0), clip(2.0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real servable model: an untrained head on the embedder that needs no weights."""
    from modalities.sound import SoundModality

    modality = SoundModality(Config())
    embedder = modality.embedder()
    head = modality.build_head(embedder.dimension, 2, seed=1, options={"hidden_units": [8], "dropout": [0.0]})
    head.get_layer("normalization").adapt(np.random.default_rng(0).normal(size=(8, embedder.dimension)))
    made = tmp_path_factory.mktemp("model")
    modality.compile_servable(
        head=head, temperature=1.0, labels=["fox", "owl"], examples=SAMPLES[:2], folder=made, facts={}
    )
    return made


@pytest.fixture(scope="module")
def measured(folder: Path) -> SpeedReport:
    (report,) = measure_speed([folder], SAMPLES, Config(), NullProgress(), effort=QUICK)
    return report


def test_a_real_model_is_measured_in_fresh_processes(measured: SpeedReport) -> None:
    assert (measured.repeats, measured.requests, measured.samples) == (2, 50, 3)
    assert (measured.engine, measured.threads) == ("onnxruntime", 1)
    for timing in (measured.request, measured.decode, measured.predict):
        assert 0 < timing.p50.value <= timing.p95.value <= timing.p99.value
        assert timing.p99.low <= timing.p99.value <= timing.p99.high
    assert measured.request.p50.value >= max(measured.decode.p50.value, measured.predict.p50.value)
    assert measured.fps.value == pytest.approx(1000 / measured.request.mean.value)
    assert [each.size for each in measured.throughput] == [1, 4]
    assert 0 < measured.load_s.value < 60


def test_its_memory_is_the_models_and_not_that_of_whoever_asked(measured: SpeedReport) -> None:
    """This process holds TensorFlow; a fresh one that loads a model without it holds far less."""
    import psutil

    assert measured.before_bytes.value < measured.loaded_bytes.value <= measured.peak_bytes.value
    assert measured.peak_bytes.value < psutil.Process().memory_info().rss


def test_the_machine_is_described(measured: SpeedReport) -> None:
    machine = measured.machine
    assert machine["processor"]
    assert machine["cores_usable"] >= 1
    assert machine["memory_bytes"] > 2**28
    assert {"numpy", "onnxruntime"} <= set(machine["libraries"])
    assert "tensorflow" not in machine["libraries"]
    told = "\n".join(speed_lines(measured))
    assert machine["processor"] in told
    assert "50 single requests over 3 files in 2 fresh processes" in told


def test_a_report_survives_json_and_names_its_metrics(measured: SpeedReport) -> None:
    assert SpeedReport.from_dict(json.loads(json.dumps(measured.as_dict(), allow_nan=False))) == measured
    assert measured.metrics()["speed/latency_p99_ms"] == measured.request.p99.value
    sizes = {f"throughput_{size}" for size in Effort().batch_sizes}
    known = {name.removeprefix("speed/") for name in measured.metrics()} | sizes
    assert known == set(SPEED_NAMES)
    with pytest.raises(InvalidInput, match="no speed report"):
        SpeedReport.from_dict({"format": 1, "request": 3})
    with pytest.raises(InvalidInput, match=r"no speed report.*load_s\.value is 'slow'"):
        SpeedReport.from_dict(measured.as_dict() | {"load_s": {"value": "slow", "low": 1.0, "high": 1.0}})


def test_a_percentile_is_a_time_that_occurred() -> None:
    timing = Timing.of([[float(n) for n in range(1, 101)], [1000.0] * 100])
    assert (timing.p50.value, timing.p95.value) == (100.0, 1000.0)
    assert (timing.p99.low, timing.p99.high) == (99.0, 1000.0)


def test_models_are_compared_turn_about_and_judged(folder: Path, random_case: Any) -> None:
    effort = Effort(repeats=1, warmup=1, requests=20, batch_sizes=(1,), batch_seconds=0.01)
    candidate, champion = measure_speed([folder, folder], SAMPLES, Config(), NullProgress(), effort=effort)
    report = evaluate_classification(*random_case(60, 3), bootstrap_samples=10)

    def judge(**limits: float) -> Any:
        settings = EvaluationSection.model_validate({"gates": [{"kind": "latency", **limits}]})
        both = [Measured(report=report, speed=each) for each in (candidate, champion)]
        return judge_candidate(both[0], both[1], settings, min_accuracy=0, seed=1)

    fine, slow = judge(at_most_ms=60_000, times_champion=1000), judge(at_most_ms=0.001, times_champion=0.0001)
    assert fine.promote
    assert "p99 latency is" in fine.reasons[0]
    assert not slow.promote
    assert "too slow: allowed is at most 0.001 ms and at most 0.0001 times the champion's" in slow.reasons[0]
    assert '"fps":' in report_page(report, decision=fine, speed=candidate)


def test_a_margin_of_a_time_or_of_memory_is_broken_by_more_of_it_and_one_of_throughput_by_less(
    measured: SpeedReport, random_case: Any
) -> None:
    report = evaluate_classification(*random_case(60, 3), bootstrap_samples=10)
    heavy = replace(
        measured,
        load_s=replace(measured.load_s, value=measured.load_s.value + 60),
        peak_bytes=replace(measured.peak_bytes, value=measured.peak_bytes.value + 1e9),
        throughput=tuple(
            replace(each, per_second=replace(each.per_second, value=each.per_second.value / 2))
            for each in measured.throughput
        ),
    )

    def promoted(metric: str, by: float, candidate: SpeedReport, champion: SpeedReport) -> bool:
        settings = EvaluationSection.model_validate({"gates": [{"kind": "margin", "metric": metric, "by": by}]})
        now, before = (Measured(report=report, speed=each) for each in (candidate, champion))
        made = judge_candidate(now, before, settings, min_accuracy=0, seed=1)
        assert replay_gate(json.loads(json.dumps(made.evidence))).promote is made.promote
        return made.promote

    for metric, by in (("speed/load_s", 1), ("speed/memory_peak_mb", 100), ("speed/throughput_4", 0.001)):
        assert promoted(metric, by, measured, heavy)
        assert not promoted(metric, by, heavy, measured)


def test_what_goes_wrong_in_the_fresh_process_is_told_here(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.onnx").write_bytes(b"no model")
    with pytest.raises(IntegrityError):
        measure_speed([broken], SAMPLES, Config(), NullProgress(), effort=QUICK)
    with pytest.raises(NotEnoughData):
        measure_speed([folder], [], Config(), NullProgress())


def test_the_engine_is_the_one_that_serves(folder: Path) -> None:
    pytest.importorskip("openvino")
    config = load_config(serving={"engine": "openvino"})
    effort = Effort(repeats=1, warmup=1, requests=20, batch_sizes=(1,), batch_seconds=0.01)
    (report,) = measure_speed([folder], SAMPLES, config, NullProgress(), effort=effort)
    assert report.engine == "openvino"
    assert "openvino" in report.machine["libraries"]
