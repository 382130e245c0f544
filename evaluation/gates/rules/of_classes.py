"""Owns rules about every class: a floor that none may be below, and a fall that none may exceed."""

from __future__ import annotations

from evaluation.gates.decision import ROUNDING, figure
from evaluation.gates.measured import Measured
from evaluation.gates.rules.kind import FIRST, Finding, Judged, Kind, Options, Rule
from evaluation.gates.standard import class_falls, counts_by_class

__all__ = ["CLASS_FALL", "CLASS_FLOOR"]


def _find_floor(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    per_class = candidate.report.per_class
    classes = {label: getattr(per_class[label], rule["metric"]) for label in candidate.report.labels}
    return {
        "classes": {
            label: {"value": each.value, "support": per_class[label].support} for label, each in classes.items()
        }
    }


def _judge_floor(rule: Rule, finding: Finding) -> Judged:
    metric, least, few = rule["metric"], rule["at_least"], rule["min_samples"]
    judged, small = {}, []
    for label, each in finding["classes"].items():
        if each["support"] < few or each["value"] is None:
            small.append(f"{label} ({each['support']})")
        else:
            judged[label] = each
    left = f"; too few test samples to judge: {', '.join(small)}" if small else ""
    if not judged:
        return None, f"no class has the {few} test samples that its {metric} is judged on{left}"
    low = [
        f"{label} {figure(each['value'])} ({each['support']} samples)"
        for label, each in sorted(judged.items(), key=lambda item: (item[1]["value"], item[0]))
        if each["value"] < least - ROUNDING
    ]
    if low:
        return False, f"{metric} is below the required {figure(least)}: {', '.join(low)}{left}"
    worst = min(judged, key=lambda label: (judged[label]["value"], label))
    told = f"{worst} is lowest with {figure(judged[worst]['value'])}"
    return True, f"no {metric} of {len(judged)} classes is below the required {figure(least)}: {told}{left}"


def _find_fall(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    if champion is None:
        return FIRST
    return {"candidate": counts_by_class(candidate.report), "champion": counts_by_class(champion.report)}


def _judge_fall(rule: Rule, finding: Finding) -> Judged:
    against, settled = class_falls(finding["candidate"], finding["champion"], rule["by"])
    return not against, "; ".join(against + settled)


CLASS_FLOOR = Kind(_find_floor, _judge_floor)
CLASS_FALL = Kind(_find_fall, _judge_fall)
