"""The shapes of requests and answers about rollouts and incidents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.schemas import Line

__all__ = [
    "DecisionsAnswer",
    "IncidentAnswer",
    "IncidentsAnswer",
    "ResumeRequest",
    "RollbackRequest",
    "RolloutAnswer",
    "RolloutChanged",
    "RolloutsAnswer",
    "RoutingAnswer",
    "StartRequest",
    "WishRequest",
]

_Name = Annotated[Line, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class StartRequest(_Model):
    candidate: _Name | Annotated[list[_Name], Field(min_length=1, max_length=16)] = Field(
        description="A version, an alias or a models:/ URI; several are tried side by side", examples=["challenger"]
    )
    strategy: Annotated[Line, Field(min_length=1, max_length=40)] | None = Field(
        None, description="Default: ab_testing.strategy", examples=["canary"]
    )
    policy: dict[str, Any] = Field(
        default_factory=dict, description="Differences from the configuration", examples=[{"steps": [10, 50, 100]}]
    )

    automatic: bool = Field(
        False, description="No person asks: a model that was taken back before has to wait, longer each time"
    )


class WishRequest(_Model):
    why: Annotated[Line, Field(max_length=500, examples=["the night shift saw wrong labels"])] = ""


class ResumeRequest(WishRequest):
    policy: dict[str, Any] = Field(
        default_factory=dict, description="New limits from here on", examples=[{"max_exposed_keys": 2000}]
    )


class RollbackRequest(WishRequest):
    gradual: bool = Field(
        False, description="By degrees, as the rollout's policy says, else in equal parts; for one that does no harm"
    )


class _Told(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    success: Literal[True]


class RolloutAnswer(_Told):
    """A rollout on one page. ``evidence`` and ``verdict`` are of the newest decision that was made from evidence."""

    rollout: dict[str, Any]
    epoch: int | None
    arms: list[dict[str, Any]] = Field(description="Who answers, with percent of the keys; empty when it is over")
    evidence: dict[str, Any] | None
    verdict: dict[str, Any] | None
    cannot_say_yet: list[str] = Field(description="What is missing, and when it should be there at this traffic")
    decided_at: str | None
    decided_by: str | None
    servers: list[dict[str, Any]]
    incident: str | None
    stands_still: str = Field("", description="Why no server can go on with it; empty: they can")


class RolloutsAnswer(_Told):
    rollouts: list[dict[str, Any]] = Field(description="Newest first")


class RolloutChanged(_Told):
    rollout: dict[str, Any]
    location: str = Field(examples=["/rollouts/rollout_01jz8q3v5k7m9n2p4r6s8t0v1w"])


class DecisionsAnswer(_Told):
    decisions: list[dict[str, Any]] = Field(description="Newest first, each with the evidence that it was made from")


class RoutingAnswer(_Told):
    """Who answered at a moment; with a key, also its arm and its model."""

    at: str
    routing: dict[str, Any]
    key: str | None = None
    arm: str | None = None
    model: dict[str, Any] | None = None


class IncidentsAnswer(_Told):
    incidents: list[dict[str, Any]] = Field(description="Newest first, without their reports")


class IncidentAnswer(_Told):
    incident: dict[str, Any]
