"""Whether both arms see, say and are told the same: the split of clients, of labels, and of what the models answer.

A broken split, or labels that come for one arm only, say nothing about the model: they say that figures cannot be
believed, and never roll back. A model that answers otherwise than the control does to the same traffic is another
thing: it may be better. It trips only where a label's share differs by a great deal, as when a model says one class
to everything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.conditional import log_e_share
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.judge_split import judge_label_split, judge_split
from ab_testing.stats.mixing import log_threshold
from ab_testing.stats.result import Verdict
from rollback.findings import Finding, State, found, tripped

__all__ = ["LABELS", "drift_finding", "labelled_finding", "split_finding"]

ALPHA = 0.001
"""Of the checks that take nothing back."""
LABELS = "label"
"""The slice whose values are what the intended arm said."""
LEAST_SHIFT = 0.25
"""Share of the candidate's clients that get another label than they would of the control."""
LEAST_UNITS = 100


def split_finding(evidence: Evidence) -> Finding:
    """Do clients fall on the arms as the weights say?"""
    arm, metric = "all", "split"
    stages = evidence.assigned.stages if evidence.assigned is not None else ()
    seen = AssignmentCounts(tuple(stage for stage in stages if sum(stage.counts)))
    if not seen.stages:
        return found(arm, metric, "no_data", missing="requests of any client")
    result = judge_split(seen, alpha=ALPHA)
    figures = {"log_e": result.log_e, "alpha": ALPHA, "effect": result.effect, "reason": result.reason}
    if result.verdict is Verdict.BREACH:
        missing = f"{result.reason}: until that is explained, no comparison of the arms can be believed"
        return found(arm, metric, "breach", missing=missing, figures=figures)
    state: State = "healthy" if result.verdict is Verdict.HEALTHY else "insufficient"
    return found(arm, metric, state, missing=result.missing, figures=figures)


def labelled_finding(candidate: CandidateEvidence) -> Finding:
    """Do labels come for both arms alike?"""
    arm, metric, counts = candidate.arm, "labels", candidate.labelled
    if not counts.candidate_bad + counts.control_bad:
        return found(arm, metric, "no_data", missing="labels")
    result = judge_label_split(counts, alpha=ALPHA)
    figures = {"log_e": result.log_e, "alpha": ALPHA, "candidate": counts.candidate_bad, "control": counts.control_bad}
    if result.verdict is not Verdict.BREACH:
        return found(arm, metric, "healthy", figures=figures)
    missing = "labels do not come for both arms alike, so their accuracy cannot be compared"
    return found(arm, metric, "breach", missing=missing, figures=figures)


def drift_finding(candidate: CandidateEvidence, evidence: Evidence, *, alpha: float) -> Finding:
    """Does it say something quite different to the same traffic?

    Args:
        alpha: probability of ever tripping while both say the same.
    Input: the slice ``label`` of the evidence: clients by the first label they were told.
    """
    arm, metric = candidate.arm, "label_drift"
    told = evidence.slices.get(LABELS, {})
    units = sum(counts.candidate_units for counts in told.values())
    others = sum(counts.control_units for counts in told.values())
    if len(evidence.candidates) > 1 or min(units, others) < LEAST_UNITS:
        # Of several candidates it is not looked at, and nothing that is waited for would change that.
        missing = f"{LEAST_UNITS} clients of each arm, by label" if len(evidence.candidates) == 1 else ""
        return found(arm, metric, "no_data", missing=missing, figures={"candidate": units, "control": others})
    alpha /= len(told)
    surprise = {label: _both_ways(counts) for label, counts in told.items()}
    label = max(surprise, key=lambda each: surprise[each])
    shift = _shift(told)
    figures = {"log_e": surprise[label], "alpha": alpha, "shift": shift, "label": label}
    if surprise[label] < log_threshold(alpha) or shift < LEAST_SHIFT:
        return found(arm, metric, "healthy", figures=figures)
    ours, theirs = told[label].candidate_units / units, told[label].control_units / others
    return tripped(
        arm,
        metric,
        "soft",
        rule=f"at most {LEAST_SHIFT:.0%} of the clients get another label than the control would give them",
        observed=f"{shift:.0%} do; it says {label!r} to {ours:.0%} of them, the control to {theirs:.0%}",
        figures=figures,
    )


def _both_ways(counts: ArmCounts) -> float:
    """ln of the e-value against "these clients fall on the arms by their shares", over all stages."""
    return sum(float(log_e_share(stage.candidate_units, stage.control_units, stage.share)) for stage in counts.stages)


def _shift(told: Mapping[str, ArmCounts]) -> float:
    """Half the sum of the differences between what it said and what the control makes expected: total variation.

    The control's clients are scaled by the shares of each stage, so that a busy label in one stage does not count.
    """
    ours = {label: float(counts.candidate_units) for label, counts in told.items()}
    usual = {
        label: math.fsum(stage.control_units * stage.share / (1 - stage.share) for stage in counts.stages)
        for label, counts in told.items()
    }
    units, others = math.fsum(ours.values()), math.fsum(usual.values())
    return math.fsum(abs(ours[label] / units - usual[label] / others) for label in told) / 2
