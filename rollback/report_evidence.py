"""What an incident report shows of the evidence: the looks over time, the rates at each stage, the latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ab_testing.evidence import CandidateEvidence
from ab_testing.health import Health
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram, upper_edge_ms
from ecosight.clock import iso

__all__ = ["Look", "latency_shown", "looks_shown", "stages_shown"]

MOST_LOOKS = 120
"""More than this would not show in a figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the triggers said at one moment."""

    at: datetime
    stage: int
    health: Health


def looks_shown(looks: Sequence[Look], arm: str) -> list[dict[str, Any]]:
    """What the triggers said of one arm, at so many moments as a figure can show."""
    return [_look(look, arm) for look in _thinned(looks)]


def _thinned(looks: Sequence[Look]) -> Sequence[Look]:
    """So many of them, evenly, the last one always."""
    if len(looks) <= MOST_LOOKS:
        return looks
    return [looks[round(k * (len(looks) - 1) / (MOST_LOOKS - 1))] for k in range(MOST_LOOKS)]


def _look(look: Look, arm: str) -> dict[str, Any]:
    checks = {}
    for check in look.health.checks:
        if check.figures.get("arm", arm) != arm:
            continue
        figures = check.figures
        checks[str(figures.get("metric", check.name))] = {
            "state": str(check.state),
            "log_e": figures.get("log_e"),
            "alpha": figures.get("alpha"),
            "missing": check.missing,
        }
    return {"at": iso(look.at), "stage": look.stage, "state": str(look.health.state), "checks": checks}


def stages_shown(candidate: CandidateEvidence | None) -> list[dict[str, Any]]:
    """Rates of both arms at each share, never pooled."""
    if candidate is None:
        return []
    metrics: dict[str, ArmCounts] = {"errors": candidate.errors, "slow": candidate.slow, "wrong": candidate.labels}
    return [
        {"metric": metric, **asdict(stage)}
        for metric, counts in metrics.items()
        for stage in counts.stages
        if stage.candidate_units or stage.control_units
    ]


def latency_shown(candidate: CandidateEvidence | None, threshold_ms: float | None) -> dict[str, Any]:
    if candidate is None:
        return {}
    return {
        "threshold_ms": threshold_ms,
        "candidate": _histogram(candidate.latency),
        "control": _histogram(candidate.control_latency),
    }


def _histogram(histogram: LatencyHistogram) -> dict[str, Any]:
    quantiles = {f"p{q * 100:g}": histogram.quantile_ms(q) for q in (0.5, 0.9, 0.99)} if histogram.count else {}
    rows = [[round(upper_edge_ms(bucket), 6), count] for bucket, count in histogram.buckets]
    return {"count": histogram.count, **quantiles, "buckets": rows}
