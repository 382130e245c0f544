"""The values of a rollout as JSON objects, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from ecosight.clock import iso
from ecosight.rollouts import Arm, Incident, Rollout, Routing
from ecosight.values import ModelRef

__all__ = ["incident_from", "plain", "rollout_from", "routing_from"]


def plain(value: Any) -> Any:
    """A dataclass as a JSON object; moments become ISO text."""
    return _plain(asdict(value))


def routing_from(told: Mapping[str, Any]) -> Routing:
    return Routing(
        **{
            **told,
            "arms": tuple(Arm(**{**arm, "model": ModelRef(**arm["model"])}) for arm in told["arms"]),
            "standby": tuple(ModelRef(**model) for model in told["standby"]),
            "made_at": _moment(told["made_at"]),
        }
    )


def rollout_from(told: Mapping[str, Any]) -> Rollout:
    """A row of another version of the program may hold what this one does not know."""
    known = {each.name for each in fields(Rollout)}
    return Rollout(
        **{
            **{name: value for name, value in told.items() if name in known},
            "champion": ModelRef(**told["champion"]),
            "candidates": {name: ModelRef(**model) for name, model in told["candidates"].items()},
            **{name: _moment(told[name]) for name in ("started_at", "stage_since", "finished_at")},
        }
    )


def incident_from(told: Mapping[str, Any]) -> Incident:
    return Incident(
        **{
            **told,
            "model": ModelRef(**told["model"]),
            "restored": ModelRef(**told["restored"]),
            "steps": tuple(told["steps"]),
            **{name: _moment(told[name]) for name in ("opened_at", "closed_at")},
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return _text(value) if isinstance(value, datetime) else value


def _text(moment: datetime) -> str:
    """To the microsecond where it has them: what is read back is what was written."""
    shown = iso(moment)
    return shown if moment.microsecond % 1000 == 0 else f"{shown[: -len('000Z')]}{moment.microsecond:06}Z"


def _moment(text: str | None) -> Any:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
