"""Owns the rules that apply where none are configured.

All of them must hold:

1. The candidate's accuracy reaches ``min_accuracy``.
2. On the same test part, it is not less accurate than the champion by more than ``accuracy_margin``.
3. No class's recall has fallen by more than ``class_margin``. In a class with few test samples one sample
   weighs more than the margin; there, a fall counts only from the second sample on that is missed more.
   Classes that the champion did not know, and classes without test samples, are listed and do not count.

Before the first champion only the first rule applies. A candidate that learned from test samples is kept out in any
case (``evaluation.gates.unseen``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecosight.errors import InvalidInput
from evaluation.gates.decision import ROUNDING, GateDecision, Outcome, Verdict, figure, require_same_part
from evaluation.gates.unseen import learned, unseen
from evaluation.report import ClassificationReport
from evaluation.taught import Taught

__all__ = ["RULES", "Findings", "class_falls", "counts_by_class", "decide_gate", "replay_standard"]

RULES = 1
"""Version of the rules above; a decision is replayed by the rules that made it."""

Findings = tuple[list[str], list[str]]
"""What speaks against promotion, and what was found in order."""


def decide_gate(
    candidate: ClassificationReport,
    champion: ClassificationReport | None,
    *,
    accuracy_margin: float,
    class_margin: float,
    min_accuracy: float,
    taught: tuple[Taught | None, Taught | None] = (None, None),
) -> GateDecision:
    """Decide whether the candidate may replace the champion.

    Args:
        champion: measured on the same test part, now; None before the first champion.
        accuracy_margin: by how much it may be less accurate, as a share of 1.
        class_margin: by how much the recall of a class may fall, as a share of 1.
        min_accuracy: a candidate below it is never promoted.
        taught: how many of the samples the candidate and the champion learned from; None where nobody looked.
    Raises: InvalidInput: the two were not measured on the same test part, or a margin is no share.
    """
    return replay_standard(
        {
            "rules": RULES,
            "accuracy_margin": accuracy_margin,
            "class_margin": class_margin,
            "min_accuracy": min_accuracy,
            "candidate": _evidence(candidate) | learned(taught[0]),
            "champion": None if champion is None else _evidence(champion) | learned(taught[1]),
        }
    )


def replay_standard(evidence: Mapping[str, Any]) -> GateDecision:
    """The decision that follows from stored evidence. Raises: InvalidInput: as ``decide_gate``."""
    for name in ("accuracy_margin", "class_margin", "min_accuracy"):
        if not 0 <= evidence[name] <= 1:
            raise InvalidInput(f"{name} must be between 0 and 1, not {evidence[name]}")
    candidate, champion = evidence["candidate"], evidence["champion"]
    rules = {"metric": {"metric": "accuracy", "at_least": evidence["min_accuracy"]}}
    found = {"metric": _floor(candidate, evidence["min_accuracy"])}
    if champion is None:
        found["metric"][1].append("there is no champion yet to compare with")
    else:
        require_same_part(candidate, champion)
        rules["margin"] = {"metric": "accuracy", "by": evidence["accuracy_margin"]}
        found["margin"] = _accuracy(candidate, champion, evidence["accuracy_margin"])
        rules["class_fall"] = {"by": evidence["class_margin"]}
        found["class_fall"] = class_falls(candidate["classes"], champion["classes"], evidence["class_margin"])
    against = [each for one, _ in found.values() for each in one]
    settled = [each for _, other in found.values() for each in other]
    of_samples = unseen(candidate, champion)
    against = [each.reason for each in of_samples if each.blocks] + against
    settled += [each.reason for each in of_samples if not each.blocks]
    return GateDecision(
        promote=not against,
        reasons=tuple(against + settled),
        verdicts=(*(_verdict({"kind": kind, **rules[kind]}, *both) for kind, both in found.items()), *of_samples),
        evidence=evidence,
    )


def counts_by_class(report: Any) -> dict[str, dict[str, Any]]:
    """Samples of each class, how many of them were recognised, and whether the model knows the class."""
    known = set(getattr(report, "known_labels", report.labels))
    return {
        label: {
            "support": figures.support,
            "hits": round((figures.recall.value or 0.0) * figures.support),
            "known": label in known,
        }
        for label, figures in ((label, report.per_class[label]) for label in report.labels)
    }


def class_falls(candidate: Mapping[str, Any], champion: Mapping[str, Any], margin: float) -> Findings:
    """Compare the recall of every class, from the counts of both models."""
    against, settled, new, empty, compared = [], [], [], [], 0
    for label, before in champion.items():
        now = candidate.get(label)
        support = before["support"]
        if not before["known"]:
            new.append(label)
        elif support == 0 or now is None:
            empty.append(label)
        else:
            compared += 1
            more = before["hits"] - now["hits"]
            fell = more / support > margin + ROUNDING
            told = f"{label} recall fell from {_rate(before)} to {_rate(now)}"
            if fell and more >= 2:
                against.append(f"{told}, more than the allowed {figure(margin)} ({more} of {support} samples)")
            elif fell:
                settled.append(f"{told}, which is one sample of only {support} and does not count")
    if compared and not against:
        settled.append(f"no recall of {compared} classes fell by more than the allowed {figure(margin)}")
    new += [label for label in candidate if label not in champion]
    if new:
        settled.append(f"not known to the champion, so not compared: {', '.join(sorted(new))}")
    if empty:
        settled.append(f"without test samples, so not compared: {', '.join(sorted(empty))}")
    return against, settled


def _evidence(report: ClassificationReport) -> dict[str, Any]:
    return {
        "n": report.n,
        "accuracy": report.accuracy.value,
        "test_digest": report.test_digest,
        "model_digest": report.model_digest,
        "classes": counts_by_class(report),
    }


def _verdict(rule: Mapping[str, Any], against: list[str], settled: list[str]) -> Verdict:
    outcome: Outcome = "failed" if against else "passed"
    return Verdict(rule=rule, outcome=outcome, blocks=bool(against), sentence="; ".join(against + settled))


def _floor(candidate: Mapping[str, Any], least: float) -> Findings:
    accuracy = candidate["accuracy"]
    if accuracy < least - ROUNDING:
        return [f"accuracy {figure(accuracy)} is below the required {figure(least)}"], []
    required = f", the required minimum is {figure(least)}" if least > 0 else ""
    return [], [f"accuracy is {figure(accuracy)} on {candidate['n']} test samples{required}"]


def _accuracy(candidate: Mapping[str, Any], champion: Mapping[str, Any], margin: float) -> Findings:
    now, before = candidate["accuracy"], champion["accuracy"]
    fall = before - now
    if fall > margin + ROUNDING:
        return [f"accuracy fell from {figure(before)} to {figure(now)}, more than the allowed {figure(margin)}"], []
    if fall > ROUNDING:
        return [], [f"accuracy fell from {figure(before)} to {figure(now)}, within the allowed {figure(margin)}"]
    return [], [f"accuracy is not below the champion's ({figure(before)} before, {figure(now)} now)"]


def _rate(of_class: Mapping[str, Any]) -> str:
    return figure(of_class["hits"] / of_class["support"])
