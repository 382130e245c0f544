"""Everything that the decisions of one rollout depend on, frozen at its start and stored with it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal, Self, cast

from pydantic import TypeAdapter, ValidationError

from ecosight.config import Config
from ecosight.errors import InvalidInput
from ecosight.rollouts import BUCKETS
from ecosight.state.columns import to_json

__all__ = ["Policy"]

LEAST_PERCENT = 100 / BUCKETS
"""One bucket: with less no key would ever fall on the candidates."""
MOST_COUNT = 10**12
"""More keys, seconds or steps than anybody will see; every figure made of them is a number still."""
MOST_MARGIN = 5.0
"""Wrong answers can hardly be ten times as frequent: beyond, there would be nothing to look for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one rollout.

    Attributes:
        steps: shares of the traffic that the candidates get together, in percent, rising.
        min_units: keys that the candidate must have met at a step before the next one.
        min_step_s: least time of a step.
        reference_requests, reference_max_s: the control's latency is frozen after so many answers of the control; after
            so long, the rollout goes on without comparing latency.
        alpha_promote: probability of ever promoting a candidate that is worse by the margin.
        alpha_rollback: probability of ever rolling back a good candidate, over all metrics together.
        error_margin: a rate may be this much higher before it counts as worse: .25 is a quarter.
        rate_ratio, latency_ratio, min_bad: a soft trip also needs so large an effect and so many bad events.
        accuracy_margin: share of answers by which the candidate may be worse and still be promoted.
        accuracy: ``required``: no promotion before labels show that it is not worse by the margin; ``if-labelled``:
            where labels come, no promotion before a loss of ``visible_loss`` would have shown; ``ignored``.
        visible_loss: share of answers, such as .05 for five points.
        error_rate_threshold, performance_threshold: ceilings that hold whatever the control does.
        memory_mb_per_min, memory_after_min: the growth that is a leak, looked at after so long.
        crash_limit, crash_window_s: so many dead worker processes in so short a time trip.
        max_exposed_keys, max_bad_answers: blast radius: at more the rollout pauses, and the candidates get no clients
            until a person resumes with a higher limit; looked at once a second. None: no limit.
        no_data_s: without a request for so long, nothing can be said.
        max_duration_s: after so long it pauses for a person; None: never.
        pause_at: numbers of the steps (1 is the first) before which a person has to agree.
        auto_promote, auto_rollback: whether it acts by itself, or pauses and says so.
        rollback_ramp: how a soft trip takes the candidate back: ``immediate``; ``canary``: down the steps below its
            present share; ``gradual``: in so many equal ``rollback_parts``. Hard trips are always immediate.
        rollback_step_s: between two steps of the way back.
        rollback_window_s: how long the old champion stays loaded after a promotion.
        seed: of Thompson sampling.
    """

    strategy: str = "canary"
    steps: tuple[float, ...] = (5, 10, 25, 50, 100)
    min_units: int = 200
    min_step_s: float = 300.0
    reference_requests: int = 200
    reference_max_s: float = 600.0
    alpha_promote: float = 0.05
    alpha_rollback: float = 0.01
    error_margin: float = 0.25
    rate_ratio: float = 1.25
    latency_ratio: float = 1.2
    min_bad: int = 5
    accuracy_margin: float = 0.01
    accuracy: Literal["required", "if-labelled", "ignored"] = "if-labelled"
    visible_loss: float = 0.05
    error_rate_threshold: float = 0.05
    performance_threshold: float = 0.95
    memory_mb_per_min: float = 2.0
    memory_after_min: float = 10.0
    crash_limit: int = 3
    crash_window_s: float = 60.0
    max_exposed_keys: int | None = None
    max_bad_answers: int | None = None
    no_data_s: float = 60.0
    max_duration_s: float | None = None
    pause_at: tuple[int, ...] = ()
    auto_promote: bool = True
    auto_rollback: bool = True
    rollback_ramp: Literal["immediate", "canary", "gradual"] = "immediate"
    rollback_parts: int = 5
    rollback_step_s: float = 60.0
    rollback_window_s: float = 600.0
    seed: int = 0

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise InvalidInput(f"this policy cannot be followed: {'; '.join(faults)}", hint="See docs/rollouts.md.")

    @classmethod
    def from_config(cls, config: Config, **differences: Any) -> Self:
        """The configuration's rules, with differences by name. Raises: InvalidInput: unknown or impossible ones."""
        ab, rollback = config.ab_testing, config.rollback
        base: dict[str, Any] = {
            "strategy": ab.strategy,
            "steps": tuple(float(step) for step in ab.steps),
            "min_step_s": ab.min_step_seconds,
            "max_duration_s": ab.duration_hours * 3600,
            "auto_rollback": rollback.auto_rollback,
            "error_rate_threshold": rollback.error_rate_threshold,
            "performance_threshold": rollback.performance_threshold,
        }
        if differences.get("strategy", ab.strategy) in ("fixed", "thompson") and "steps" not in differences:
            base["steps"] = (100 * ab.traffic_split,)
        settled = cls.from_dict(base | differences)
        if "min_units" in differences:
            return settled
        stages = 1 if settled.strategy in ("blue-green", "shadow") else len(settled.steps)
        return replace(settled, min_units=math.ceil(ab.min_samples / stages))

    @classmethod
    def of(cls, config: Config, strategy: str, differences: Mapping[str, Any]) -> Self:
        """The rules of one strategy. Raises: InvalidInput: as ``from_config``; or the differences name another one."""
        named = differences.get("strategy", strategy)
        if named != strategy:
            raise InvalidInput(
                f"the policy says {named!r} and the rollout {strategy!r}",
                hint="The strategy is given by itself, not by the policy: --strategy shadow.",
            )
        return cls.from_config(config, **{**differences, "strategy": strategy})

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Raises: InvalidInput: an unknown name, or a value that cannot be followed."""
        names = [field.name for field in fields(cls)]
        for name in told:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                raise InvalidInput(
                    f"a policy has no {name!r}",
                    hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}",
                )
        try:
            return cast(Self, _reader().validate_json(to_json(dict(told)), strict=True))
        except ValidationError as error:
            fault = error.errors()[0]
            where = "".join(f"{part}: " for part in fault["loc"])
            hint = (
                "A list is written [2, 3]." if fault["type"] in ("tuple_type", "list_type") else "See docs/rollouts.md."
            )
            raise InvalidInput(f"this policy cannot be followed: {where}{fault['msg']}", hint=hint) from error

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return told | {"steps": list(self.steps), "pause_at": list(self.pause_at)}


@cache
def _reader() -> TypeAdapter[Any]:
    return TypeAdapter(Policy)


def _faults(policy: Policy) -> Iterator[str]:
    if not policy.steps or any(not LEAST_PERCENT <= step <= 100 for step in policy.steps):
        yield f"steps are percents from {LEAST_PERCENT} to 100, not {list(policy.steps)}"
    elif list(policy.steps) != sorted(set(policy.steps)):
        yield f"steps must rise, not {list(policy.steps)}"
    for name in ("alpha_promote", "alpha_rollback", "accuracy_margin", "visible_loss"):
        if not 0 < getattr(policy, name) < 1:
            yield f"{name} lies between 0 and 1, not {getattr(policy, name)}"
    for name in ("error_rate_threshold", "performance_threshold"):
        if not 0 <= getattr(policy, name) <= 1:
            yield f"{name} is a share from 0 to 1, not {getattr(policy, name)}"
    for name in ("crash_window_s", "no_data_s", "max_duration_s", "memory_mb_per_min"):
        if (value := getattr(policy, name)) is not None and value <= 0:
            yield f"{name} is above 0, not {value}"
    for name in ("crash_limit", "rollback_parts"):
        if getattr(policy, name) < 1:
            yield f"{name} is at least 1, not {getattr(policy, name)}"
    for name in (
        "min_step_s",
        "reference_max_s",
        "rollback_step_s",
        "rollback_window_s",
        "min_units",
        "reference_requests",
        "error_margin",
        "rate_ratio",
        "latency_ratio",
        "min_bad",
        "memory_after_min",
        "max_exposed_keys",
        "max_bad_answers",
        "seed",
    ):
        if (value := getattr(policy, name)) is not None and value < 0:
            yield f"{name} cannot be negative"
    for field in fields(policy):
        value = getattr(policy, field.name)
        if isinstance(value, int) and abs(value) > MOST_COUNT:
            yield f"{field.name} is {MOST_COUNT:,} at most"
    if policy.error_margin > MOST_MARGIN:
        yield f"error_margin is a share of the control's rate, {MOST_MARGIN:g} at most, not {policy.error_margin:g}"
    if policy.rollback_ramp not in ("immediate", "canary", "gradual"):
        yield f"rollback_ramp is immediate, canary or gradual, not {policy.rollback_ramp!r}"
    if policy.accuracy not in ("required", "if-labelled", "ignored"):
        yield f"accuracy is required, if-labelled or ignored, not {policy.accuracy!r}"
