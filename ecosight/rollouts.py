"""The values of a rollout: who answers which key, what was seen of it, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ecosight.values import ModelRef

__all__ = [
    "BUCKETS",
    "CANDIDATE",
    "CHAMPION",
    "CONTROL",
    "Arm",
    "ArmState",
    "Decision",
    "Exposure",
    "Fault",
    "Incident",
    "Rollout",
    "RolloutState",
    "Routing",
    "ServerReport",
]

BUCKETS = 10_000
"""Keys are spread over so many buckets; weights count them."""
CHAMPION = "champion"
CONTROL = "control"
"""The champion's model once more, in worker processes like the candidate's: the fair one to compare with."""
CANDIDATE = "candidate"

Fault = Literal["", "error", "late", "crash", "non_finite", "unavailable"]
"""Why the intended arm did not answer: it raised; it took too long; its process died; it gave numbers that are not
finite; it is not loaded here. Empty: it answered."""
RolloutState = Literal[
    "preparing", "running", "paused", "promoting", "rolling_back", "promoted", "rolled_back", "aborted"
]
ArmState = Literal["loading", "ready", "failed", "tripped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the models that answer.

    Attributes:
        name: ``champion``, ``control``, ``candidate``, ``candidate-2``, …
        weight: buckets of ``BUCKETS`` that it answers.
        isolated: it answers from worker processes of its own.
        shadow: it gets copies of what the champion answers; no client ever sees its answers.
    """

    name: str
    model: ModelRef
    weight: int = 0
    isolated: bool = False
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Who answers which key. One document for all servers, replaced as a whole; the epoch only rises.

    Attributes:
        rollout_id: empty while the champion answers alone.
        salt: makes the assignment of one rollout independent of every other's.
        stage: counts the changes of weights within the rollout; evidence is kept for each stage.
        arms: the champion first; empty before the first model.
        standby: models that every server keeps loaded though they answer nothing (blue-green; the way back).
        made_at, actor, why: the audit trail.
    """

    epoch: int
    arms: tuple[Arm, ...]
    made_at: datetime
    actor: str
    why: str
    rollout_id: str = ""
    salt: str = ""
    stage: int = 0
    standby: tuple[ModelRef, ...] = ()

    def arm(self, name: str) -> Arm | None:
        return next((arm for arm in self.arms if arm.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What happened to one request while a rollout ran: one for each prediction, and one for each shadow answer.

    Attributes:
        id: the prediction's id; for a shadow answer ``<prediction id>~<arm>``. Recorded twice, it counts once.
        prediction_id: joins the truth that is told later.
        intended: the arm that the key belongs to; a fallback does not change it.
        answered: the arm whose answer the client got.
        fault: why the intended arm did not answer.
        latency_ms: from handing the file to the intended arm to its answer, or to giving up.
        label: what the intended arm said (shadow: what the shadow said); with a fault, what the client got.
        champion_label: of a shadow answer: what the client got.
        counted: False for overrides and shadow answers: they are no evidence about clients.
    """

    id: str
    prediction_id: str
    rollout_id: str
    epoch: int
    stage: int
    key: str
    intended: str
    answered: str
    label: str
    latency_ms: float
    at: datetime
    fault: Fault = ""
    champion_label: str = ""
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What one server process last said about itself.

    Attributes:
        epoch: of the routing that it follows.
        loaded: model digest to ``ArmState``: what it holds warm, or failed to load. The acknowledgement of phase one.
        arms: by arm name, figures of isolated arms: ``state``, ``error``, ``rss_mb``, ``memory`` (what that was before:
            seconds ago, MB), ``restarts``, ``crashed_at`` (ISO times of the last crashes), ``non_finite``, ``tripped``
            (why it was cut off here).
    """

    server_id: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    epoch: int
    loaded: Mapping[str, str] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout from its start to its end.

    Attributes:
        strategy: name of a plug-in: ``fixed``, ``canary``, ``blue-green``, ``shadow``, ``thompson``.
        policy: everything the decisions depend on, as a JSON object; frozen at the start.
        candidates: arm name to model.
        stage_since: when the weights last changed.
        threshold_ms: the control's q99 of the reference window, frozen; None until it is known. Above it an answer is
            slow.
        median_ms: its median of the same window.
        weights: buckets by arm name, of a strategy that draws them anew for each stage; else empty.
        outcome: why it ended, or why it is paused, in a sentence.
        paused_for: what a pause is about, where that matters: ``budget``: its blast radius is spent, and the candidates
            get no clients until a person resumes; ``agreement``: a person has to agree to the next step; else empty.
        way_back: of a candidate that is taken back by degrees: ``mode``, ``percents`` (falling, the last one 0) and
            ``step_s``; empty: the champion answers everything at once.
        revision: rises with every write; writes are compare-and-set on it.
    """

    id: str
    strategy: str
    policy: Mapping[str, Any]
    champion: ModelRef
    candidates: Mapping[str, ModelRef]
    state: RolloutState
    actor: str
    started_at: datetime
    stage: int = 0
    stage_since: datetime | None = None
    threshold_ms: float | None = None
    median_ms: float | None = None
    finished_at: datetime | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    outcome: str = ""
    paused_for: str = ""
    way_back: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0

    @property
    def finished(self) -> bool:
        return self.state in ("promoted", "rolled_back", "aborted")

    @property
    def began_at(self) -> datetime:
        """``started_at``; where a clock was set back since, the first moment by the clock as it is now."""
        return min(self.started_at, self.stage_since or self.started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision and everything it was made from, so that it can be made again.

    Attributes:
        action: ``hold``, ``advance``, ``promote``, ``roll_back``, ``pause``, ``resume``, ``abort``, ``finish``.
        state: the rollout as it was: ``Rollout`` as a JSON object.
        evidence, verdict: JSON objects; for what a person decided, the verdict holds the reason.
    """

    id: str
    rollout_id: str
    at: datetime
    actor: str
    epoch: int
    action: str
    state: Mapping[str, Any]
    evidence: Mapping[str, Any]
    verdict: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A model that was taken back, and how.

    Attributes:
        model: what was taken back; its digest is latched until ``unlatched_by`` is set.
        restored: what answers instead.
        trigger: what tripped: ``name``, ``rule``, ``observed``, ``kind`` (hard, soft, manual).
        steps: what the executor did, in order: ``step``, ``at``, ``status``, ``details``.
        report: figures of the report, once it is made.
    """

    id: str
    rollout_id: str
    model: ModelRef
    restored: ModelRef
    trigger: Mapping[str, Any]
    opened_at: datetime
    steps: tuple[Mapping[str, Any], ...] = ()
    closed_at: datetime | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    unlatched_by: str = ""
    revision: int = 0
