"""Owns the rule that no slice of the test part (a station, an hour, a season) may be answered worse than a floor."""

from __future__ import annotations

from typing import Any

from evaluation.gates.decision import ROUNDING, figure
from evaluation.gates.measured import Measured
from evaluation.gates.rules.kind import Finding, Judged, Kind, Options, Rule, missing

__all__ = ["SLICE_FLOOR"]


def _find(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    fact, answered = rule["fact"], candidate.predictions
    if answered is None:
        return missing(f"slices by {fact} are not known: the single answers are not at hand")
    if fact not in answered.facts:
        known = ", ".join(sorted(answered.facts)) or "nothing"
        return missing(f"nothing is known about {fact} of the test samples (known: {known})")
    counts: dict[str, dict[str, Any]] = {}
    for value, group, right in zip(answered.facts[fact], answered.groups, answered.correct.tolist(), strict=True):
        slice_ = counts.setdefault(value, {"n": 0, "right": 0, "groups": set()})
        slice_["n"] += 1
        slice_["right"] += int(right)
        slice_["groups"].add(group)
    unknown = counts.pop("", {"n": 0})["n"]
    return {
        "slices": {value: each | {"groups": len(each["groups"])} for value, each in sorted(counts.items())},
        "unknown": unknown,
    }


def _judge(rule: Rule, finding: Finding) -> Judged:
    fact, least, few, groups = rule["fact"], rule["at_least"], rule["min_samples"], rule["min_groups"]
    found = finding["slices"]
    large = {value: each for value, each in found.items() if each["n"] >= few and each["groups"] >= groups}
    left = f"; slices too small to judge: {len(found) - len(large)}" if len(large) < len(found) else ""
    left += f"; of {finding['unknown']} samples {fact} is not known" if finding["unknown"] else ""
    if not large:
        return None, f"no slice by {fact} has {few} samples in {groups} groups{left}"
    order = sorted(large, key=lambda value: (large[value]["right"] / large[value]["n"], value))
    low = [value for value in order if large[value]["right"] / large[value]["n"] < least - ROUNDING]
    if low:
        told = ", ".join(_told(value, large[value]) for value in low)
        return False, f"accuracy by {fact} is below the required {figure(least)}: {told}{left}"
    told = _told(order[0], large[order[0]])
    return (
        True,
        f"no accuracy of {len(large)} slices by {fact} is below the required {figure(least)}: worst {told}{left}",
    )


def _told(value: str, each: dict[str, Any]) -> str:
    share = figure(each["right"] / each["n"])
    return f"{value} {share} ({each['right']} of {each['n']} samples, {each['groups']} groups)"


SLICE_FLOOR = Kind(_find, _judge)
