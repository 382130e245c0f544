"""An incident as it could have been, for tests of the report: a canary whose errors rise from .5% to 6%."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram
from ecosight.rollouts import Arm, Decision, Exposure, Incident, Rollout, Routing
from ecosight.values import ModelRef
from rollback.report import Look, Material

START = datetime(2026, 5, 1, 3, 4, 0, tzinfo=UTC)
OLD = ModelRef(name="ecosight", version="7", digest="a" * 64)
NEW = ModelRef(name="ecosight", version="8", digest="b" * 64)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def make_rollout(**changes: Any) -> Rollout:
    told: dict[str, Any] = {
        "id": "rollout_01jx3k5w9pqr",
        "strategy": "canary",
        "policy": {},
        "champion": OLD,
        "candidates": {"candidate": NEW},
        "state": "rolling_back",
        "actor": "maria",
        "started_at": START,
        "stage": 2,
        "threshold_ms": 42.0,
        "outcome": "errors",
    }
    return Rollout(**told | changes)


def make_material(*, verified: bool = True) -> Material:
    rollout = make_rollout()
    detected = 512.31
    steps = [
        _step("detect", detected + 0.004, ramp={"mode": "immediate", "percents": [0.0], "step_s": 0.0}),
        _step("stop", detected + 0.011),
        _step("restore", detected + 0.029, percent=0.0, epoch=6),
    ]
    if verified:
        steps.append(_step("verify", detected + 0.61, sent=10, answered=10, restored=10, slowest_ms=31.0, failures=[]))
    else:
        why = {"error": "the probes were not answered by the restored model", "tries": 6}
        failed = {"sent": 10, "answered": 4, "restored": 4, "failures": ["http://10.0.0.2:8000 refused the connection"]}
        steps.append({**_step("verify", detected + 61.0, **failed, **why), "status": "given_up"})
    steps.append(_step("alert", detected + 0.9 + 61 * (not verified), channels=["log", "mail"]))
    observed = "6.02% of the candidate's clients got failed answers, 0.51% of the control's; the rate is 11.8 times "
    observed += "the control's, and the e-value 5,132"
    rule = "the e-value of more clients with failed answers than the control's stays below 400, or the rate below "
    rule += "1.25 times the control's"
    incident = Incident(
        id="incident_01jx3k5w9pqr",
        rollout_id=rollout.id,
        model=NEW,
        restored=OLD,
        trigger={"name": "errors", "kind": "soft", "rule": rule, "observed": observed, "arm": "candidate"},
        opened_at=at(detected + 0.004),
        steps=tuple(steps),
    )
    return Material(
        incident=incident,
        rollout=rollout,
        routings=_routings(detected),
        decisions=_decisions(detected, observed),
        looks=_looks(detected),
        evidence=_evidence(rollout),
        last_answer_at=at(detected + 0.24),
        failed=[_failure(i, detected) for i in range(12)],
        review=[
            {
                "sample_id": f"{i:x}" * 16,
                "label": "engine",
                "champion_label": "fox",
                "truth": "fox",
                "why": "wrong, and sure of it",
            }
            for i in range(3, 7)
        ],
        dataset_diff={
            "before": "main@v11",
            "after": "main@v12",
            "added": 412,
            "removed": 3,
            "relabelled": 17,
            "classes": {
                "fox": {"before": 812, "after": 830},
                "engine": {"before": 420, "after": 811},
                "<rain & wind>": {"before": 64, "after": 64},
            },
        },
        config_hash="c0ffee" * 10 + "1234",
    )


def _step(step: str, seconds: float, **details: Any) -> dict[str, Any]:
    told = at(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"step": step, "at": told, "status": "done", "details": {**details, "by": "server-2"}}


def _routings(detected: float) -> list[Routing]:
    def routing(epoch: int, seconds: float, weight: int, why: str) -> Routing:
        arms = [Arm(name="champion", model=OLD, weight=10_000 - 2 * weight)]
        if seconds < detected:
            arms += [Arm(name="control", model=OLD, weight=weight, isolated=True)]
            arms += [Arm(name="candidate", model=NEW, weight=weight, isolated=True)]
        return Routing(epoch=epoch, arms=tuple(arms), made_at=at(seconds), actor="controller", why=why, rollout_id="r")

    return [
        routing(3, 0.4, 0, "prepare"),
        routing(4, 61.0, 500, "stage 1"),
        routing(5, 301.0, 1000, "stage 2"),
        routing(6, detected + 0.02, 0, "taken back"),
    ]


def _decisions(detected: float, why: str) -> list[Decision]:
    def decision(name: str, seconds: float, action: str, reason: str) -> Decision:
        return Decision(
            id=f"decision_{name}", rollout_id="r", at=at(seconds), actor="controller", epoch=4, action=action,
            state={}, evidence={}, verdict={"action": action, "reason": reason},
        )  # fmt: skip

    return [
        decision("01", 301.0, "advance", "every gate of stage 1 passed"),
        decision("02", detected, "roll_back", why),
    ]


def _looks(detected: float) -> list[Look]:
    looks = []
    noise = np.random.default_rng(5)
    for second in np.arange(62.0, detected + 0.5, 5.0):
        late = max(0.0, (second - 430) / (detected - 430))
        figures = {
            "errors": -0.6 + 7.2 * late**2 + 0.2 * noise.normal(),
            "latency": -0.4 - 0.6 * min(1, second / 300) + 0.15 * noise.normal(),
            "accuracy": -0.2 + 0.1 * noise.normal() - second / 800,
        }
        checks = [
            SimpleNamespace(
                name=name,
                state="insufficient",
                missing="",
                figures={"arm": "candidate", "metric": name, "log_e": value, "alpha": 0.0025},
            )
            for name, value in figures.items()
        ]
        health: Any = SimpleNamespace(state="insufficient", trips=(), checks=tuple(checks))
        looks.append(Look(at=at(float(second)), stage=1 if second < 301 else 2, health=health))
    return looks


def _evidence(rollout: Rollout) -> Evidence:
    noise = np.random.default_rng(7)
    errors = ArmCounts.at(0.5, control=(598, 3), candidate=(612, 2))
    errors += ArmCounts.at(0.45, control=(1010, 5), candidate=(1046, 63))
    return Evidence(
        rollout_id=rollout.id, epoch=5, stage=2, stage_age_s=211.0, age_s=512.0, threshold_ms=42.0,
        assigned=None, seen_s_ago=0.1, servers=2,
        candidates=(
            CandidateEvidence(
                arm="candidate",
                errors=errors,
                slow=ArmCounts.at(0.5, control=(598, 6), candidate=(612, 8)),
                wrong=ArmCounts.at(0.5, control=(61, 6), candidate=(58, 9)),
                latency=LatencyHistogram.of(noise.lognormal(3.05, 0.33, 2400)),
                control_latency=LatencyHistogram.of(noise.lognormal(2.95, 0.27, 2350)),
                requests=2431,
                control_requests=2390,
            ),
        ),
        slices={
            "label": {
                "engine": ArmCounts.at(0.5, control=(40, 1), candidate=(380, 49)),
                "fox": ArmCounts.at(0.5, control=(700, 4), candidate=(610, 6)),
            },
            "server": {"server-1": ArmCounts.at(0.5, control=(800, 4), candidate=(800, 31))},
        },
    )  # fmt: skip


def _failure(i: int, detected: float) -> Exposure:
    return Exposure(
        id=f"pred_{i:04}", prediction_id=f"pred_01jx3m{i:04}", rollout_id="r", epoch=5, stage=2, key=f"sensor-{i % 5}",
        intended="candidate", answered="champion", label="fox", latency_ms=1000.0 if i % 4 == 0 else 38.0 + i,
        at=at(detected - 3.0 * i), fault="late" if i % 4 == 0 else "error",
    )  # fmt: skip
