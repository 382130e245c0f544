"""Owns the rule that a metric may not be worse than the champion's by more than a margin: measured, or confidently."""

from __future__ import annotations

from ecosight.config.gates import LOSSES, less_is_better
from evaluation.gates.decision import ROUNDING, figure
from evaluation.gates.measured import Measured
from evaluation.gates.paired import paired_interval
from evaluation.gates.rules.kind import FIRST, Finding, Judged, Kind, Options, Rule, missing

__all__ = ["MARGIN"]


def _find(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    metric = rule["metric"]
    if champion is None:
        return FIRST
    now, before = candidate.metric(metric), champion.metric(metric)
    if now is None or before is None:
        whose = "the candidate" if now is None else "the champion"
        return missing(f"{metric} of {whose} is not known")
    found: Finding = {"now": now.value, "before": before.value, "less_is_better": less_is_better(metric)}
    if not rule["confident"]:
        return found
    if candidate.predictions is None or champion.predictions is None:
        return missing(f"how sure the difference in {metric} is, is not known: the single answers are not at hand")
    paired = paired_interval(
        candidate.predictions, champion.predictions, metric, resamples=options.resamples, seed=options.seed
    )
    if paired is None:
        return missing(
            f"the difference in {metric} has no interval: too few groups, undefined, or a loss that is the same"
        )
    return found | {"low": paired.low, "high": paired.high, "groups": paired.groups}


def _judge(rule: Rule, finding: Finding) -> Judged:
    metric, margin = rule["metric"], rule["by"]
    sign = -1.0 if finding.get("less_is_better", metric in LOSSES) else 1.0  # older evidence does not say
    now, before = finding["now"], finding["before"]
    change = f"{metric} went from {figure(before)} to {figure(now)}"
    if not rule["confident"]:
        worse = sign * (before - now)
        allowed = f"the allowed {figure(margin)}"
        if worse > margin + ROUNDING:
            return False, f"{change}, worse by more than {allowed}"
        return True, f"{change}, {'worse within ' + allowed if worse > ROUNDING else 'not worse'}"
    # Where less is better, the interval of the difference is turned round: its lower end is always the bad one.
    ends = (finding["low"], finding["high"]) if sign > 0 else (-finding["high"], -finding["low"])
    told = (
        f"{change}; better by {_signed(sign * (now - before))}, 95% interval [{_signed(ends[0])}, {_signed(ends[1])}]"
    )
    told += f" over {finding['groups']} groups"
    if ends[0] < -margin - ROUNDING:
        return False, f"{told} reaches below the allowed {_signed(-margin)}"
    return True, f"{told} lies above the allowed {_signed(-margin)}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


MARGIN = Kind(_find, _judge)
