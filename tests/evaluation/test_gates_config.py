"""Rules in config.yaml: read as they are meant, refused in a sentence that names the rule and says what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecosight.config import Config, load_config
from ecosight.config.gates import METRIC_NAMES
from ecosight.errors import ConfigError
from evaluation import report
from evaluation.detection import report as detection
from evaluation.gates import needs_speed
from evaluation.gates.rules import KINDS
from evaluation.metrics import METRICS


def load(tmp_path: Path, *rules: Any) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"evaluation": {"gates": list(rules)}}), "utf-8")
    return load_config(file)


EVERY_KIND = (
    {"kind": "metric", "metric": "recall/fox", "at_least": 0.8, "name": "foxes"},
    {"kind": "margin", "confident": True},
    {"kind": "class_floor", "at_least": 0.5},
    {"kind": "class_fall", "by": 0.2},
    {"kind": "slice_floor", "fact": "station", "at_least": 0.6, "on_missing": "pass"},
    {"kind": "calibration", "at_most": 0.1},
    {"kind": "latency", "at_most_ms": 50, "times_champion": 1.5},
    {"kind": "test_size", "groups": 30},
)


def test_every_kind_of_rule_is_read_and_survives_json(tmp_path: Path) -> None:
    config = load(tmp_path, *EVERY_KIND)
    assert config.evaluation.gates is not None
    assert [rule.kind for rule in config.evaluation.gates] == list(KINDS)
    again = Config.model_validate_json(config.model_dump_json())
    assert again.evaluation == config.evaluation
    assert needs_speed(config.evaluation)
    assert not needs_speed(load(tmp_path, *EVERY_KIND[:6]).evaluation)
    assert needs_speed(load(tmp_path, {"kind": "metric", "metric": "speed/fps", "at_least": 5}).evaluation)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"kind": "latncy"}, "there is no kind of rule 'latncy', did you mean latency?; kinds are metric, margin,"),
        ("accuracy > 0.9", "a rule is a mapping with a kind and its numbers; kinds are metric"),
        ({"kind": ["metric"]}, "kinds are metric"),
        ({"metric": "accuracy"}, "a rule is a mapping with a kind"),
        ({"kind": "latency", "p99": 3}, "the rule latency is wrong: unknown key p99; it takes name, on_missing, perc"),
        ({"kind": "latency", "at_most": 3}, "unknown key at_most, did you mean at_most_ms?"),
        ({"kind": "latency"}, "a limit is missing: at_most_ms or times_champion"),
        ({"kind": "metric", "metric": "acuracy", "at_least": 1}, "no metric 'acuracy', did you mean accuracy?"),
        ({"kind": "metric", "metric": "recal/fox", "at_least": 1}, "no metric 'recal/fox', did you mean recall/fox?"),
        ({"kind": "metric", "metric": "speed/fsp", "at_least": 1}, "no metric 'speed/fsp', did you mean speed/fps?"),
        ({"kind": "metric", "metric": "accuracy"}, "a limit is missing: at_least or at_most"),
        ({"kind": "metric", "metric": "accuracy", "at_least": 90}, "accuracy is a share from 0 to 1"),
        ({"kind": "margin", "metric": "recall/fox", "by": 2}, "recall/fox is a share from 0 to 1"),
        (
            {"kind": "metric", "metric": "accuracy", "at_least": 0.9, "at_most": 0.5},
            "no figure is at least 0.9 and at most 0.5",
        ),
        ({"kind": "metric", "metric": "log_loss", "at_most": -1}, "log_loss is never below 0"),
        ({"kind": "metric", "metric": "speed/memory_peak_mb", "at_most": -1}, "never below 0"),
        ({"kind": "margin", "metric": "macro_f1"}, "by is missing: how much worse macro_f1 may be"),
        ({"kind": "class_floor", "name": "rare", "at_least": 90}, "the rule class_floor 'rare' is wrong: at_least: "),
        ({"kind": "slice_floor", "at_least": 0.5}, "fact is missing"),
        (
            {"kind": "metric", "metric": "accuracy", "at_least": float("nan")},
            "at_least: Input should be a finite number",
        ),
        ({"kind": "margin", "by": float("inf")}, "by: Input should be a finite number"),
        ({"kind": "test_size"}, "a limit is missing: samples, groups or per_class"),
        (
            {"kind": "calibration", "at_most": 0.1, "on_missing": "warn"},
            "on_missing: Input should be 'block' or 'pass'",
        ),
    ],
)
def test_a_wrong_rule_is_refused_in_a_sentence(rule: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, EVERY_KIND[0], rule)
    assert caught.value.message.startswith("a fault in the configuration: evaluation.gates.1: ")
    assert told in caught.value.message


def test_rules_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOSIGHT__EVALUATION__GATES", json.dumps(EVERY_KIND))
    gates = load_config().evaluation.gates
    assert gates is not None
    assert len(gates) == len(KINDS)


def test_the_names_that_rules_may_use_are_those_that_reports_have() -> None:
    assert {name for names in METRICS.values() for name in names} == METRIC_NAMES
    from ecosight.config.gates import OF_CLASS

    assert set(OF_CLASS) == {*report.BY_CLASS, *detection.BY_CLASS}
