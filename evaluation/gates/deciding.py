"""Owns deciding by configured rules: gather what each rule needs, then judge nothing but that.

Version 1 of the rules are the standard ones, version 2 those of ``evaluation.gates``. A decision is stored with the
evidence and the version that it was made from, and is made again by the rules of that version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput
from evaluation.gates.decision import GateDecision, Outcome, Verdict, require_same_part
from evaluation.gates.measured import Measured
from evaluation.gates.rules import KINDS, Finding, Options
from evaluation.gates.standard import RULES as STANDARD
from evaluation.gates.standard import decide_gate, replay_standard
from evaluation.gates.unseen import unseen
from evaluation.report import ClassificationReport

if TYPE_CHECKING:
    from ecosight.config import EvaluationSection

__all__ = ["RULES", "judge_candidate", "needs_speed", "replay_gate"]

RULES = 2
"""Version of the configured rules: raised when one of them judges the same evidence otherwise."""


def judge_candidate(
    candidate: Measured, champion: Measured | None, settings: EvaluationSection, *, min_accuracy: float, seed: int
) -> GateDecision:
    """Decide whether the candidate may replace the champion, by the rules of a configuration.

    Without ``settings.gates`` the standard rules hold (``decide_gate``). ``min_accuracy`` holds in any case where it
    is above 0: who asked for a retraining may have named it. A candidate that learned from test samples is kept out by
    any rules (``unseen``).

    Args:
        champion: measured on the same test part; None before the first champion, when whatever compares is passed.
        seed: of paired intervals.
    Raises: InvalidInput: the two were not measured on the same test part; or there are no rules, and the standard ones
        do not fit this kind of model.
    """
    if settings.gates is None:
        return _by_standard_rules(candidate, champion, settings, min_accuracy)
    rules = [_resolved(rule.model_dump(), settings) for rule in settings.gates]
    if min_accuracy > 0:
        floor = {"kind": "metric", "metric": "accuracy", "at_least": min_accuracy, "name": "min_accuracy"}
        rules.append(floor | {"at_most": None, "on_missing": "block"})
    if champion is not None:
        require_same_part(candidate.identity(), champion.identity())
    options = Options(resamples=settings.bootstrap_samples, seed=seed)
    return _replayed(
        {
            "rules": RULES,
            "candidate": candidate.identity(),
            "champion": None if champion is None else champion.identity(),
            "resamples": options.resamples,
            "seed": seed,
            "gates": [
                {"rule": rule, "finding": KINDS[rule["kind"]].find(rule, candidate, champion, options)}
                for rule in rules
            ],
        }
    )


def replay_gate(evidence: Mapping[str, Any]) -> GateDecision:
    """The decision that follows from stored evidence, of either version; always the same one.

    Raises: InvalidInput: the evidence is of other rules or of two test parts, or it is none.
    """
    try:
        json.dumps(evidence, allow_nan=False)  # NaN is neither above nor below any limit
        return _replayed(evidence)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise InvalidInput(f"this is no evidence of a gate's decision: {error!r}") from error


def needs_speed(settings: EvaluationSection) -> bool:
    """Whether the rules of a configuration look at the speed."""
    rules = [rule.model_dump() for rule in settings.gates or []]
    return any(rule["kind"] == "latency" or rule.get("metric", "").startswith("speed/") for rule in rules)


def _replayed(evidence: Mapping[str, Any]) -> GateDecision:
    version = evidence.get("rules")
    if version == STANDARD:
        return replay_standard(evidence)
    if version != RULES:
        raise InvalidInput(f"the evidence is for rules {version!r}, this EcoSight knows {STANDARD} and {RULES}")
    if evidence["champion"] is not None:
        require_same_part(evidence["candidate"], evidence["champion"])
    verdicts = tuple(_verdict(each["rule"], each["finding"]) for each in evidence["gates"])
    verdicts += unseen(evidence["candidate"], evidence["champion"])
    return GateDecision(
        promote=not any(each.blocks for each in verdicts),
        reasons=_reasons(verdicts),
        verdicts=verdicts,
        evidence=evidence,
    )


def _by_standard_rules(
    candidate: Measured, champion: Measured | None, settings: EvaluationSection, min_accuracy: float
) -> GateDecision:
    reports = [candidate.report, None if champion is None else champion.report]
    now, before = reports
    if not isinstance(now, ClassificationReport) or not (before is None or isinstance(before, ClassificationReport)):
        raise InvalidInput(
            f"the standard gate judges classifiers, not a {candidate.report.kind} report",
            hint="Write rules for it: evaluation.gates.",
        )
    return decide_gate(
        now,
        before,
        accuracy_margin=settings.accuracy_margin,
        class_margin=settings.class_margin,
        min_accuracy=min_accuracy,
        taught=(candidate.taught, None if champion is None else champion.taught),
    )


def _resolved(rule: dict[str, Any], settings: EvaluationSection) -> dict[str, Any]:
    """The rule with the numbers that other settings give it."""
    if rule["kind"] == "margin" and rule["by"] is None:
        return rule | {"by": settings.accuracy_margin}
    if rule["kind"] == "class_fall" and rule["by"] is None:
        return rule | {"by": settings.class_margin}
    return rule


def _verdict(rule: Mapping[str, Any], finding: Finding) -> Verdict:
    if rule["kind"] not in KINDS:
        raise InvalidInput(f"the evidence is for a rule {rule['kind']!r}, which this EcoSight does not know")
    if finding.get("first"):
        kept, sentence = True, "there is no champion yet to compare with"
    elif "missing" in finding:
        kept, sentence = None, finding["missing"]
    else:
        kept, sentence = KINDS[rule["kind"]].judge(rule, finding)
    outcome: Outcome = "cannot say" if kept is None else "passed" if kept else "failed"
    blocks = outcome == "failed" or (outcome == "cannot say" and rule["on_missing"] == "block")
    return Verdict(rule=rule, outcome=outcome, blocks=blocks, sentence=sentence)


def _reasons(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """What blocks first, then the rest in order; each sentence once."""
    return tuple(dict.fromkeys(each.reason for each in sorted(verdicts, key=lambda each: not each.blocks)))
