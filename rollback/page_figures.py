"""Which figures an incident's page shows: who answered, how the evidence grew, how quick the answers were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollback.charts import Curve, Marker, density_chart, time_chart

__all__ = ["figures"]

LOWEST_SHARE = -0.5
_NAMES = {"errors": "errors", "latency": "slow answers", "accuracy": "wrong answers", "label_drift": "other labels"}


def figures(report: Mapping[str, Any]) -> str:
    """The figures of a report as SVG; those without data are left out."""
    return weights_figure(report) + evidence_figure(report) + latency_figure(report)


def weights_figure(report: Mapping[str, Any]) -> str:
    """The share of clients of each arm but the champion, over time."""
    rows = report["weights"]
    names = list(dict.fromkeys(name for row in rows for name in row["percent"] if name != "champion"))
    end = max([_time(event["at"]) for event in report["timeline"]], default=0.0)
    curves = []
    for name in names:
        points = [(_time(row["at"]), float(row["percent"].get(name, 0.0))) for row in rows]
        role = "candidate" if name.startswith("candidate") else "control"
        # The control has the same weight as the candidate: its dashes are drawn above.
        curves.append(
            Curve(
                name=name,
                role=role,
                points=[*points, (max(end, points[-1][0]), points[-1][1])],
                steps=True,
                filled=role == "candidate",
                dashed=role == "control",
            )
        )
    curves.sort(key=lambda curve: curve.role == "control")
    return time_chart("Who answered", curves, markers=_moments(report), y_name="% of the clients")


def evidence_figure(report: Mapping[str, Any]) -> str:
    """How far each metric's evidence of harm had come, as a share of what a rollback asks for."""
    series: dict[str, list[tuple[float, float]]] = {}
    for look in report["looks"]:
        for metric, check in look["checks"].items():
            if metric not in _NAMES or check["log_e"] is None or not check["alpha"]:
                continue
            share = check["log_e"] / -math.log(check["alpha"])
            series.setdefault(metric, []).append((_time(look["at"]), max(LOWEST_SHARE, share)))
    highest = max((y for points in series.values() for _, y in points), default=0.0)
    curves = [
        Curve(name=_NAMES[metric], role=f"m{list(_NAMES).index(metric)}", points=points)
        for metric, points in series.items()
    ]
    return time_chart(
        "Evidence of harm",
        curves,
        markers=_moments(report),
        levels=[Marker(1.0, "rolls back from here", "trip")],
        y_name="ln of the e-value, as a share of what a rollback needs",
        low=LOWEST_SHARE,
        high=max(1.5, min(4.0, highest * 1.1)),
    )


def latency_figure(report: Mapping[str, Any]) -> str:
    """Latencies of both arms, their 99th percentiles, and the frozen threshold."""
    told = report["latency"]
    if not told:
        return ""
    markers = [
        Marker(told[arm]["p99"], f"{arm} p99 {told[arm]['p99']:.3g} ms", arm)
        for arm in ("control", "candidate")
        if "p99" in told[arm]
    ]
    if told["threshold_ms"]:
        markers.append(Marker(told["threshold_ms"], f"slow above {told['threshold_ms']:.3g} ms", "limit"))
    rows = {
        arm: (arm, [(float(edge), int(count)) for edge, count in told[arm]["buckets"]])
        for arm in ("control", "candidate")
    }
    return density_chart("Latency", rows, markers=markers)


def _moments(report: Mapping[str, Any]) -> list[Marker]:
    markers = [Marker(_time(report["speed"]["detected_at"]), "detected", "trip")]
    if report["speed"]["last_answer_at"]:
        markers.append(Marker(_time(report["speed"]["last_answer_at"]), "last answer", "candidate"))
    return markers


def _time(told: str) -> float:
    return datetime.fromisoformat(told).timestamp()
