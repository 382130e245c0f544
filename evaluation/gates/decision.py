"""Owns what a gate decided: the verdict, each rule's own, their sentences, and the evidence behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ecosight.errors import InvalidInput

__all__ = ["ROUNDING", "GateDecision", "Outcome", "Verdict", "figure", "gate_lines", "require_same_part"]

ROUNDING = 1e-9
"""Limits are decimal and figures binary: this much is not counted."""

Outcome = Literal["passed", "failed", "cannot say"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule's verdict. ``rule``: its kind and numbers. ``blocks``: whether it keeps the candidate out."""

    rule: Mapping[str, Any]
    outcome: Outcome
    blocks: bool
    sentence: str

    @property
    def reason(self) -> str:
        """The sentence as a reason of the decision: with the rule's name, and whether it is a doubt."""
        name, doubt = self.rule.get("name"), "cannot say: " if self.outcome == "cannot say" else ""
        return f"{name}: {doubt}{self.sentence}" if name else f"{doubt}{self.sentence}"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return {"rule": dict(self.rule), "outcome": self.outcome, "blocks": self.blocks, "sentence": self.sentence}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """The decision, its reasons as sentences with figures, and all it was made from.

    Attributes:
        promote: whether the candidate may become champion.
        reasons: why not, first; then what was found in order.
        verdicts: of each rule, in the order of the rules.
        evidence: a JSON object; ``replay_gate`` makes the same decision from it.
    """

    promote: bool
    reasons: Sequence[str]
    verdicts: Sequence[Verdict]
    evidence: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The decision as a JSON object."""
        return {
            "promote": self.promote,
            "reasons": list(self.reasons),
            "verdicts": [each.as_dict() for each in self.verdicts],
            "evidence": dict(self.evidence),
        }


def gate_lines(decision: GateDecision) -> list[str]:
    """The decision for people: a line for each rule."""
    head = "the gates would let it become champion" if decision.promote else "the gates keep it out"
    marks = {"passed": "passed", "failed": "FAILED", "cannot say": "cannot say"}
    lines = [head]
    for each in decision.verdicts:
        mark = marks[each.outcome] + (", blocks" if each.blocks and each.outcome == "cannot say" else "")
        lines.append(f"  {mark:18} {each.rule.get('name') or each.rule['kind']}: {each.sentence}")
    return lines


def require_same_part(candidate: Mapping[str, Any], champion: Mapping[str, Any]) -> None:
    """Raises: InvalidInput: the two were not measured on the same test part."""
    if (candidate["test_digest"], candidate["n"]) != (champion["test_digest"], champion["n"]):
        raise InvalidInput(
            f"candidate ({candidate['n']} samples) and champion ({champion['n']} samples) were not measured on the "
            "same test part",
            hint="Measure the champion again, on the candidate's test part.",
            candidate=candidate["test_digest"],
            champion=champion["test_digest"],
        )


def figure(value: float) -> str:
    """Two decimals, or as many as it takes to tell it from its neighbours."""
    short = f"{value:.2f}"
    return short if abs(float(short) - value) < 5e-4 else f"{value:.4f}".rstrip("0")
