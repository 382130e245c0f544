"""Owns that a gate speaks of samples the candidate never learned from; it holds beside any rules.

What a candidate learned from, it answers better than anything new: no figure on such samples can say that it is good,
so the gate cannot say, and that blocks. A champion that learned from them looks too good, and that makes it harder for
the candidate, never easier: it is told and blocks nothing. Nor does it block where nobody knows what the candidate
learned from, as then no model that was made elsewhere could ever become champion; it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.gates.decision import Verdict
from evaluation.taught import Taught

__all__ = ["learned", "unseen"]


def learned(taught: Taught | None) -> dict[str, Any]:
    """What evidence keeps of it: nothing where there is nothing to tell."""
    return {} if taught is None or not taught.caveats else {"taught": taught.as_dict()}


def unseen(candidate: Mapping[str, Any], champion: Mapping[str, Any] | None) -> tuple[Verdict, ...]:
    """The verdict that follows from the evidence of both; none where there is nothing to tell."""
    rule = {"kind": "unseen"}
    rival = champion or {}
    now, before = _of(candidate), _of(rival)
    if before is not None and (not before.seen or rival["model_digest"] == candidate["model_digest"]):
        before = None  # nothing is known against the champion, or it is the candidate itself
    told = [] if before is None else [f"for the champion, {_only(before)}, so it looks better than it is"]
    if now is not None:
        why = "; how good it is on new samples is not known from these" if now.seen else ""
        sentence = "; ".join([f"{_only(now)}{why}", *told])
        return (Verdict(rule=rule, outcome="cannot say", blocks=now.seen > 0, sentence=sentence),)
    return tuple(Verdict(rule=rule, outcome="passed", blocks=False, sentence=each) for each in told)


def _of(evidence: Mapping[str, Any]) -> Taught | None:
    return Taught.from_dict(evidence["taught"]) if "taught" in evidence else None


def _only(taught: Taught) -> str:
    (sentence,) = taught.caveats
    return sentence
