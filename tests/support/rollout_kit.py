"""Rollouts, routings and exposures made on the spot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ab_testing.policy import Policy
from ecosight.rollouts import CANDIDATE, CHAMPION, CONTROL, Arm, Exposure, Rollout, Routing
from ecosight.values import ModelRef

BEGAN = datetime(2026, 5, 1, 3, 12, tzinfo=UTC)
OLD = ModelRef(name="m", version="1", digest="a" * 64)
NEW = ModelRef(name="m", version="2", digest="b" * 64)


def a_rollout(**changes: Any) -> Rollout:
    policy = changes.pop("policy", {})
    fields: dict[str, Any] = {
        "id": "rollout_1",
        "strategy": "canary",
        "policy": Policy.from_dict(policy).as_dict(),
        "champion": OLD,
        "candidates": {CANDIDATE: NEW},
        "state": "running",
        "actor": "ann",
        "started_at": BEGAN,
        "stage": 1,
        "stage_since": BEGAN,
    }
    return Rollout(**{**fields, **changes})


def a_routing(stage: int, *, champion: int, candidate: int, control: int) -> Routing:
    return Routing(
        epoch=stage + 1,
        arms=(
            Arm(name=CHAMPION, model=OLD, weight=champion),
            Arm(name=CANDIDATE, model=NEW, weight=candidate, isolated=True),
            Arm(name=CONTROL, model=OLD, weight=control, isolated=True),
        ),
        made_at=BEGAN,
        actor="controller",
        why="",
        rollout_id="rollout_1",
        salt="rollout_1",
        stage=stage,
    )


def an_exposure(number: int, arm: str = CANDIDATE, **changes: Any) -> Exposure:
    fields: dict[str, Any] = {
        "id": f"pred_{number}",
        "prediction_id": f"pred_{number}",
        "rollout_id": "rollout_1",
        "epoch": 2,
        "stage": 1,
        "key": f"key-{number}",
        "intended": arm,
        "answered": arm,
        "label": "dog_bark",
        "latency_ms": 10.0,
        "at": BEGAN + timedelta(seconds=number),
    }
    return Exposure(**{**fields, **changes})
