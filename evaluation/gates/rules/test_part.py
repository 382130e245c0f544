"""Owns the rule that the test part must be large enough to decide anything on."""

from __future__ import annotations

from evaluation.gates.measured import Measured
from evaluation.gates.rules.kind import Finding, Judged, Kind, Options, Rule

__all__ = ["TEST_SIZE"]


def _find(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    report = candidate.report
    classes = {label: report.per_class[label].support for label in report.labels}
    return {"samples": report.n, "groups": report.group_count, "classes": classes}


def _judge(rule: Rule, finding: Finding) -> Judged:
    told = f"the test part has {finding['samples']} samples in {finding['groups']} groups"
    faults = [f"{rule[what]} {what}" for what in ("samples", "groups") if rule[what] and finding[what] < rule[what]]
    least = rule["per_class"]
    small = [f"{label} {count}" for label, count in finding["classes"].items() if count < least]
    if small:
        faults.append(f"{least} samples of each class, but there are of {', '.join(small)}")
    if faults:
        return False, f"{told}; required are {' and '.join(faults)}"
    return True, f"{told}, as many as required"


TEST_SIZE = Kind(_find, _judge)
