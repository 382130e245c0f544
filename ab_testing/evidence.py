"""What a decision is made from: counts and series, small enough to be stored with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ab_testing.compared import Compared, FailingKeys, Lately, plain
from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.shift import UsualLatency

__all__ = ["CandidateEvidence", "Evidence", "MemorySeries"]

MemorySeries = tuple[tuple[float, float], ...]
"""(minutes since the arm was loaded, MB of resident memory), by time."""
_NONE = {"keys": 0, "failed": 0.0, "failing": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateEvidence:
    """One candidate against the control.

    Bad is a key once, by its first event in either of the compared arms since the candidate has keys; units are keys of
    each arm.

    Attributes:
        errors: bad is a key's first request that the intended arm did not answer.
        slow: bad is a key's first answer above the frozen threshold; only arms in worker processes are compared.
        first_answers: latencies of the first answers to the same keys.
        wrong: bad is a key's first wrong answer; units are keys with a label.
        lately: the comparisons that began anew and are under way.
        judged: one label a key: units are keys by their first labelled answer, bad are those for which it was wrong;
            None: recorded before they were counted.
        labelled: bad is a key's first label: whether labels arrive alike in both arms.
        pairs: of a shadow: the candidate's and the champion's answers to the same requests.
        latency, control_latency: of all answers, for display.
        met_keys, bad_keys: keys that it met at any share, also where nobody could be compared with it, and those of
            them that met a failure or a wrong answer; None: recorded before they were counted.
        stage_keys: keys that it met since the weights last changed; of a shadow: by copies. ``stage_failed``: of them,
            as ``FailingKeys.failed``.
        beside, alone: keys that it met while others could be compared with it, and while nobody could.
        unlabelled_keys: keys that it met of which no label came from anywhere; None: recorded before they were counted.
        stage_units: units of both arms since the weights last changed, by what is compared: how fast evidence comes at
            present; none where nobody answers beside it. None: recorded before they were counted.
        requests, control_requests: for display.
        recent_requests, recent_faults: of the last minute, per request: for the hard trips. ``recent`` and
            ``control_recent``: the same by key; None: not known.
        crashes_s_ago: how long ago its processes died.
        non_finite: answers that were not finite.
        load_failures: what servers said that could not load it.
        memory, control_memory: of the process that grew most, and the control's beside it.
        answered_s_ago: since its last answer; None: never.
    """

    arm: str
    errors: ArmCounts = field(default_factory=ArmCounts)
    slow: ArmCounts = field(default_factory=ArmCounts)
    first_answers: ArmLatencies = field(default_factory=ArmLatencies)
    wrong: ArmCounts = field(default_factory=ArmCounts)
    lately: tuple[Lately, ...] = ()
    judged: ArmCounts | None = None
    labelled: ArmCounts = field(default_factory=ArmCounts)
    pairs: PairCounts = field(default_factory=PairCounts)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    control_latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    met_keys: int | None = None
    bad_keys: int | None = None
    stage_keys: int = 0
    stage_failed: float = 0.0
    beside: FailingKeys = field(default_factory=FailingKeys)
    alone: FailingKeys = field(default_factory=FailingKeys)
    stage_units: Mapping[str, int] | None = None
    unlabelled_keys: int | None = None
    requests: int = 0
    control_requests: int = 0
    recent_requests: int = 0
    recent_faults: int = 0
    recent: FailingKeys | None = None
    control_recent: FailingKeys | None = None
    crashes_s_ago: tuple[float, ...] = ()
    non_finite: int = 0
    load_failures: tuple[str, ...] = ()
    memory: MemorySeries = ()
    control_memory: MemorySeries = ()
    answered_s_ago: float | None = None

    @property
    def whole(self) -> Compared:
        """The comparison since the candidate has keys."""
        return Compared(**{each.name: getattr(self, each.name) for each in fields(Compared)})

    @property
    def labels(self) -> ArmCounts:
        """Labelled keys and wrong ones: what rates of wrong answers rest on."""
        return self.wrong if self.judged is None else self.judged

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        told = _known(cls, told)
        counts = ("errors", "slow", "wrong", "labelled")
        series = ("memory", "control_memory")
        return cls(
            **{
                **told,
                **{name: ArmCounts.from_dict(told[name]) for name in counts},
                **{name: FailingKeys.from_dict(told.get(name, _NONE)) for name in ("beside", "alone")},
                **{name: FailingKeys.from_dict(told[name]) for name in ("recent", "control_recent") if told.get(name)},
                "lately": tuple(Lately.from_dict(each) for each in told.get("lately", ())),
                "judged": ArmCounts.from_dict(told["judged"]) if told.get("judged") else None,
                "first_answers": ArmLatencies.from_dict(told.get("first_answers", {"stages": ()})),
                "pairs": PairCounts.from_dict(told["pairs"]),
                "latency": LatencyHistogram.from_dict(told["latency"]),
                "control_latency": LatencyHistogram.from_dict(told["control_latency"]),
                "crashes_s_ago": tuple(told["crashes_s_ago"]),
                "load_failures": tuple(told["load_failures"]),
                **{name: tuple((minute, mb) for minute, mb in told[name]) for name in series},
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known about a rollout at one moment.

    Attributes:
        stage_age_s, age_s: since the weights last changed, since the rollout began.
        threshold_ms: above it an answer is slow; None: the reference window is not over.
        median_ms: of the control in the reference window; None: it is not over, or nobody asked for it then.
        assigned: keys of each arm at each stage, against the weights.
        seen_s_ago: since the last counted request of any arm; None: none yet.
        servers: that answer now.
    """

    rollout_id: str
    epoch: int
    stage: int
    stage_age_s: float
    age_s: float
    threshold_ms: float | None
    median_ms: float | None = None
    assigned: AssignmentCounts | None
    candidates: tuple[CandidateEvidence, ...]
    seen_s_ago: float | None = None
    servers: int = 0
    slices: dict[str, dict[str, ArmCounts]] = field(default_factory=dict)

    @property
    def usual(self) -> UsualLatency | None:
        """The control's latency of the reference window."""
        if self.median_ms is None or self.threshold_ms is None:
            return None
        return UsualLatency(median_ms=self.median_ms, p99_ms=self.threshold_ms)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        told = _known(cls, told)
        assigned = told["assigned"]
        return cls(
            **{
                **told,
                "assigned": None if assigned is None else AssignmentCounts.from_dict(assigned),
                "candidates": tuple(CandidateEvidence.from_dict(each) for each in told["candidates"]),
                "slices": {
                    name: {value: ArmCounts.from_dict(counts) for value, counts in values.items()}
                    for name, values in told["slices"].items()
                },
            }
        )


def _known(kind: type, told: Mapping[str, Any]) -> dict[str, Any]:
    """Without what another version of the program recorded as well."""
    return {each.name: told[each.name] for each in fields(kind) if each.name in told}
