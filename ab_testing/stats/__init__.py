"""Pure statistics of rollouts: counts that add up over replicas, and verdicts that may be looked at at any time.

The face is ``analyzer.StatisticalAnalyzer``; ``judge_*`` hold the verdicts, the other modules the procedures and the
counts they take. Nothing here reads a clock, draws without a seed, or does I/O.
"""

from __future__ import annotations

from ab_testing.stats.analyzer import StatisticalAnalyzer
from ab_testing.stats.arm_latencies import ArmLatencies, StageLatencies
from ab_testing.stats.assignment import AssignmentCounts, AssignmentStage
from ab_testing.stats.counts import ArmCounts, StageCounts
from ab_testing.stats.forecast import Forecast
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.moments import Moments
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.result import TestResult, Verdict
from ab_testing.stats.shift import UsualLatency

__all__ = [
    "ArmCounts",
    "ArmLatencies",
    "AssignmentCounts",
    "AssignmentStage",
    "Forecast",
    "LatencyHistogram",
    "Moments",
    "PairCounts",
    "StageCounts",
    "StageLatencies",
    "StatisticalAnalyzer",
    "TestResult",
    "UsualLatency",
    "Verdict",
]
