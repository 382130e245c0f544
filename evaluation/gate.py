"""Owns the decision whether a candidate may become champion: pure, kept with its evidence, and replayable.

The rules, all of which must hold:

1. The candidate's accuracy reaches ``min_accuracy``.
2. On the same test part, it is not less accurate than the champion by more than ``accuracy_margin``.
3. No class's recall has fallen by more than ``class_margin``. In a class with few test samples one sample
   weighs more than the margin; there, a fall counts only from the second sample on that is missed more.
   Classes that the champion did not know, and classes without test samples, are listed and do not count.

Before the first champion only the first rule applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecosight.errors import InvalidInput
from evaluation.report import ClassificationReport

__all__ = ["GateDecision", "decide_gate", "replay_gate"]

RULES = 1
"""Version of the rules above; a decision is replayed by the rules that made it."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """The verdict, its reasons as sentences with figures, and all it was made from.

    Attributes:
        promote: whether the candidate may become champion.
        reasons: why not, first; then what was found in order.
        evidence: a JSON object; ``replay_gate`` makes the same decision from it.
    """

    promote: bool
    reasons: Sequence[str]
    evidence: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The decision as a JSON object."""
        return {"promote": self.promote, "reasons": list(self.reasons), "evidence": dict(self.evidence)}


def decide_gate(
    candidate: ClassificationReport,
    champion: ClassificationReport | None,
    *,
    accuracy_margin: float,
    class_margin: float,
    min_accuracy: float,
) -> GateDecision:
    """Decide whether the candidate may replace the champion.

    Args:
        champion: measured on the same test part, now; None before the first champion.
        accuracy_margin: by how much it may be less accurate, as a share of 1.
        class_margin: by how much the recall of a class may fall, as a share of 1.
        min_accuracy: a candidate below it is never promoted.
    Raises: InvalidInput: the two were not measured on the same test part, or a margin is no share.
    """
    return replay_gate(
        {
            "rules": RULES,
            "accuracy_margin": accuracy_margin,
            "class_margin": class_margin,
            "min_accuracy": min_accuracy,
            "candidate": _evidence(candidate),
            "champion": None if champion is None else _evidence(champion),
        }
    )


def replay_gate(evidence: Mapping[str, Any]) -> GateDecision:
    """The decision that follows from stored evidence; always the same one.

    Raises: InvalidInput: as ``decide_gate``, or the evidence is of other rules.
    """
    if evidence.get("rules") != RULES:
        raise InvalidInput(f"the evidence is for rules {evidence.get('rules')!r}, this EcoSight knows {RULES}")
    for name in ("accuracy_margin", "class_margin", "min_accuracy"):
        if not 0 <= evidence[name] <= 1:
            raise InvalidInput(f"{name} must be between 0 and 1, not {evidence[name]}")
    candidate, champion = evidence["candidate"], evidence["champion"]
    against, settled = _floor(candidate, evidence["min_accuracy"])
    if champion is None:
        settled.append("there is no champion yet to compare with")
    else:
        _require_same_part(candidate, champion)
        for rule in (_accuracy(candidate, champion, evidence), _classes(candidate, champion, evidence)):
            against += rule[0]
            settled += rule[1]
    return GateDecision(promote=not against, reasons=tuple(against + settled), evidence=evidence)


_Findings = tuple[list[str], list[str]]
"""What speaks against promotion, and what was found in order."""


def _evidence(report: ClassificationReport) -> dict[str, Any]:
    known = set(report.known_labels)
    return {
        "n": report.n,
        "accuracy": report.accuracy.value,
        "test_digest": report.test_digest,
        "model_digest": report.model_digest,
        "classes": {
            label: {
                "support": figures.support,
                "hits": report.confusion[index][index],
                "known": label in known,
            }
            for index, label in enumerate(report.labels)
            for figures in (report.per_class[label],)
        },
    }


def _require_same_part(candidate: Mapping[str, Any], champion: Mapping[str, Any]) -> None:
    if (candidate["test_digest"], candidate["n"]) != (champion["test_digest"], champion["n"]):
        raise InvalidInput(
            f"candidate ({candidate['n']} samples) and champion ({champion['n']} samples) were not measured on the "
            "same test part",
            hint="Measure the champion again, on the candidate's test part.",
            candidate=candidate["test_digest"],
            champion=champion["test_digest"],
        )


def _floor(candidate: Mapping[str, Any], least: float) -> _Findings:
    accuracy = candidate["accuracy"]
    if accuracy < least - _ROUNDING:
        return [f"accuracy {_figure(accuracy)} is below the required {_figure(least)}"], []
    required = f", the required minimum is {_figure(least)}" if least > 0 else ""
    return [], [f"accuracy is {_figure(accuracy)} on {candidate['n']} test samples{required}"]


def _accuracy(candidate: Mapping[str, Any], champion: Mapping[str, Any], settings: Mapping[str, Any]) -> _Findings:
    now, before, margin = candidate["accuracy"], champion["accuracy"], settings["accuracy_margin"]
    fall = before - now
    if fall > margin + _ROUNDING:
        return [f"accuracy fell from {_figure(before)} to {_figure(now)}, more than the allowed {_figure(margin)}"], []
    if fall > _ROUNDING:
        return [], [f"accuracy fell from {_figure(before)} to {_figure(now)}, within the allowed {_figure(margin)}"]
    return [], [f"accuracy is not below the champion's ({_figure(before)} before, {_figure(now)} now)"]


def _classes(candidate: Mapping[str, Any], champion: Mapping[str, Any], settings: Mapping[str, Any]) -> _Findings:
    margin = settings["class_margin"]
    against, settled, new, empty, compared = [], [], [], [], 0
    for label, before in champion["classes"].items():
        now = candidate["classes"].get(label)
        support = before["support"]
        if not before["known"]:
            new.append(label)
        elif support == 0 or now is None:
            empty.append(label)
        else:
            compared += 1
            more = before["hits"] - now["hits"]
            fell = more / support > margin + _ROUNDING
            told = f"{label} recall fell from {_rate(before)} to {_rate(now)}"
            if fell and more >= 2:
                against.append(f"{told}, more than the allowed {_figure(margin)} ({more} of {support} samples)")
            elif fell:
                settled.append(f"{told}, which is one sample of only {support} and does not count")
    if compared and not against:
        settled.append(f"no recall of {compared} classes fell by more than the allowed {_figure(margin)}")
    new += [label for label in candidate["classes"] if label not in champion["classes"]]
    if new:
        settled.append(f"not known to the champion, so not compared: {', '.join(sorted(new))}")
    if empty:
        settled.append(f"without test samples, so not compared: {', '.join(sorted(empty))}")
    return against, settled


def _rate(of_class: Mapping[str, Any]) -> str:
    return _figure(of_class["hits"] / of_class["support"])


def _figure(value: float) -> str:
    """Two decimals, or as many as it takes to tell it from its neighbours."""
    short = f"{value:.2f}"
    return short if abs(float(short) - value) < 5e-4 else f"{value:.4f}".rstrip("0")
