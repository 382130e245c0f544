"""Owns rules about one figure of the candidate: a metric's limits, and the calibration error's."""

from __future__ import annotations

from evaluation.gates.decision import ROUNDING, figure
from evaluation.gates.measured import Measured
from evaluation.gates.rules.kind import Finding, Judged, Kind, Options, Rule, missing, range_told

__all__ = ["CALIBRATION", "METRIC"]


def _find(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    found = candidate.metric(rule["metric"])
    if found is None:
        why = "the speed was not measured" if rule["metric"].startswith("speed/") else "it is not defined here"
        return missing(f"{rule['metric']} is not known: {why}")
    return {"value": found.value, "low": found.low, "high": found.high}


def _judge(rule: Rule, finding: Finding) -> Judged:
    value, least, most = finding["value"], rule.get("at_least"), rule.get("at_most")
    told = f"{rule['metric']} is {figure(value)}{range_told(finding['low'], finding['high'], figure)}"
    if least is not None and value < least - ROUNDING:
        return False, f"{told}, below the required {figure(least)}"
    if most is not None and value > most + ROUNDING:
        return False, f"{told}, above the allowed {figure(most)}"
    asked = [f"at least {figure(least)}"] if least is not None else []
    asked += [f"at most {figure(most)}"] if most is not None else []
    return True, f"{told}; required is {' and '.join(asked)}"


METRIC = Kind(_find, _judge)
CALIBRATION = Kind(_find, _judge)
