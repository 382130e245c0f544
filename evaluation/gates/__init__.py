"""Whether a candidate may become champion: rules, a pure decision over recorded evidence, and its replay."""

from evaluation.gates.deciding import judge_candidate, needs_speed, replay_gate
from evaluation.gates.decision import GateDecision, Verdict, gate_lines
from evaluation.gates.measured import Measured
from evaluation.gates.standard import decide_gate

__all__ = [
    "GateDecision",
    "Measured",
    "Verdict",
    "decide_gate",
    "gate_lines",
    "judge_candidate",
    "needs_speed",
    "replay_gate",
]
