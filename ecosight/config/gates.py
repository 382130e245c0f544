"""Owns the rules that a model must keep to become champion, as they stand in ``evaluation.gates``.

Each is a mapping with a ``kind`` and its numbers. A rule that is wrong is refused when the configuration is loaded,
with one sentence that names it and says what is allowed.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ecosight.config.section import Section

__all__ = ["LOSSES", "METRIC_NAMES", "OF_CLASS", "SPEED_NAMES", "GateRule", "less_is_better"]

_OVERALL = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1"),
    *(f"{mean}_{name}" for mean in ("macro", "micro", "weighted", "samples") for name in ("precision", "recall", "f1")),
    *("top_3_accuracy", "top_5_accuracy", "subset_accuracy", "macro_auc", "weighted_auc"),
    *("map", "map50", "map75", "map_small", "map_medium", "map_large"),
    *("weighted_average_precision", "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
    *("log_loss", "brier", "ece", "classwise_ece", "hamming_loss"),
)
OF_CLASS = ("precision", "recall", "f1", "auc", "average_precision", "ap", "ap50")
SPEED_NAMES = (
    *(f"{name}_p{q}_ms" for name in ("latency", "decode", "predict") for q in (50, 95, 99)),
    *(f"throughput_{size}" for size in (1, 2, 4, 8, 16, 32)),
    *("memory_before_mb", "memory_loaded_mb", "memory_peak_mb", "fps", "load_s"),
)
METRIC_NAMES = frozenset(_OVERALL)
"""What a report may hold over all classes; ``recall/fox`` and the like are of one class, ``speed/fps`` of the speed."""
LOSSES = frozenset({"log_loss", "brier", "ece", "classwise_ece", "hamming_loss"})
"""Metrics of a report of which less is better."""


def less_is_better(metric: str) -> bool:
    """Whether less of a metric is better: of a loss, and of times and memory."""
    figure, _, name = metric.partition("/")
    return metric in LOSSES or (figure == "speed" and not name.startswith(("fps", "throughput")))


class _Rule(Section):
    name: str = ""
    """What people call it; shown before its sentence."""
    on_missing: Literal["block", "pass"] = "block"
    """What follows where the rule cannot say."""


class MetricRule(_Rule):
    kind: Literal["metric"] = "metric"
    metric: str
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _has_limit(self) -> Self:
        _check_metric(self.metric)
        if self.at_least is None and self.at_most is None:
            raise ValueError("a limit is missing: at_least or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no figure is at least {self.at_least:g} and at most {self.at_most:g}")
        _check_shares(self.metric, self.at_least, self.at_most)
        return self


class MarginRule(_Rule):
    kind: Literal["margin"] = "margin"
    metric: str = "accuracy"
    by: float | None = Field(None, ge=0)
    confident: bool = False

    @model_validator(mode="after")
    def _has_number(self) -> Self:
        _check_metric(self.metric)
        if self.by is None and self.metric != "accuracy":
            raise ValueError(f"by is missing: how much worse {self.metric} may be (accuracy alone has accuracy_margin)")
        _check_shares(self.metric, self.by)
        return self


class ClassFloorRule(_Rule):
    kind: Literal["class_floor"] = "class_floor"
    metric: Literal["precision", "recall", "f1"] = "recall"
    at_least: float = Field(ge=0, le=1)
    min_samples: int = Field(1, ge=1)


class ClassFallRule(_Rule):
    kind: Literal["class_fall"] = "class_fall"
    by: float | None = Field(None, ge=0, le=1)


class SliceFloorRule(_Rule):
    kind: Literal["slice_floor"] = "slice_floor"
    fact: str = Field(min_length=1)
    at_least: float = Field(ge=0, le=1)
    min_samples: int = Field(20, ge=1)
    min_groups: int = Field(3, ge=1)


class CalibrationRule(_Rule):
    kind: Literal["calibration"] = "calibration"
    metric: Literal["ece", "classwise_ece"] = "ece"
    at_most: float = Field(ge=0, le=1)


class LatencyRule(_Rule):
    kind: Literal["latency"] = "latency"
    percentile: Literal[50, 95, 99] = 99
    at_most_ms: float | None = Field(None, gt=0)
    times_champion: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _has_limit(self) -> Self:
        if self.at_most_ms is None and self.times_champion is None:
            raise ValueError("a limit is missing: at_most_ms or times_champion")
        return self


class TestSizeRule(_Rule):
    kind: Literal["test_size"] = "test_size"
    samples: int = Field(0, ge=0)
    groups: int = Field(0, ge=0)
    per_class: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _has_limit(self) -> Self:
        if not (self.samples or self.groups or self.per_class):
            raise ValueError("a limit is missing: samples, groups or per_class")
        return self


_KINDS: dict[str, type[_Rule]] = {
    str(rule.model_fields["kind"].default): rule
    for rule in (
        *(MetricRule, MarginRule, ClassFloorRule, ClassFallRule),
        *(SliceFloorRule, CalibrationRule, LatencyRule, TestSizeRule),
    )
}


def _parsed(given: Any) -> Any:
    """The rule that a mapping describes; its faults in one sentence, with what is allowed."""
    if isinstance(given, _Rule):
        return given
    kinds = f"kinds are {', '.join(_KINDS)}"
    if not isinstance(given, dict) or "kind" not in given:
        raise ValueError(f"a rule is a mapping with a kind and its numbers; {kinds}")
    kind = str(given["kind"])
    if kind not in _KINDS:
        near = difflib.get_close_matches(kind, _KINDS, n=1)
        raise ValueError(f"there is no kind of rule {kind!r}{f', did you mean {near[0]}?' if near else ''}; {kinds}")
    model = _KINDS[kind]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        called = f"{kind} {given['name']!r}" if given.get("name") else kind
        faults = "; ".join(_told(each, model) for each in error.errors())
        allowed = ", ".join(name for name in model.model_fields if name != "kind")
        raise ValueError(f"the rule {called} is wrong: {faults}; it takes {allowed}") from error


def _told(error: Any, model: type[_Rule]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, model.model_fields, n=1)
        return f"unknown key {key}" + (f", did you mean {near[0]}?" if near else "")
    if error["type"] == "missing":
        return f"{key} is missing"
    said = error["msg"].removeprefix("Value error, ")
    return f"{key}: {said}, not {error['input']!r}" if key else said


def _check_metric(name: str) -> None:
    figure, _, label = name.partition("/")
    if figure == "speed":
        allowed = [f"speed/{each}" for each in SPEED_NAMES]
    else:
        allowed = [f"{each}/{label}" for each in OF_CLASS] if label else list(_OVERALL)
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=1)
        raise ValueError(
            f"there is no metric {name!r}{f', did you mean {near[0]}?' if near else ''}; over all classes: "
            f"{', '.join(_OVERALL)}; of one class, as in recall/fox: {', '.join(OF_CLASS)}; of the speed, as in "
            f"speed/fps: {', '.join(SPEED_NAMES)}"
        )


def _check_shares(metric: str, *limits: float | None) -> None:
    """Whoever writes 90 for 0.9, or -1, would block, or let in, whatever comes."""
    share = metric not in ("log_loss", "brier") and not metric.startswith("speed/")
    for limit in limits:
        if limit is not None and share and not 0 <= limit <= 1:
            raise ValueError(f"{metric} is a share from 0 to 1, so it has no limit of {limit:g}")
        if limit is not None and limit < 0:
            raise ValueError(f"{metric} is never below 0, so it has no limit of {limit:g}")


GateRule = Annotated[
    MetricRule
    | MarginRule
    | ClassFloorRule
    | ClassFallRule
    | SliceFloorRule
    | CalibrationRule
    | LatencyRule
    | TestSizeRule,
    BeforeValidator(_parsed),
]
"""One rule."""
