"""Owns the rule that a single answer may not take too long: in milliseconds, or in times of the champion."""

from __future__ import annotations

from typing import Any

from evaluation.gates.decision import ROUNDING
from evaluation.gates.measured import Measured
from evaluation.gates.rules.kind import FIRST, Finding, Judged, Kind, Options, Rule, missing, range_told

__all__ = ["LATENCY"]


def _find(rule: Rule, candidate: Measured, champion: Measured | None, options: Options) -> Finding:
    compares = rule["times_champion"] is not None
    if champion is None and rule["at_most_ms"] is None:
        return FIRST
    if candidate.speed is None or (compares and champion is not None and champion.speed is None):
        whose = "the candidate" if candidate.speed is None else "the champion"
        return missing(f"the latency of {whose} was not measured")
    found: Finding = {
        "now": _of(candidate, rule["percentile"]),
        "before": _of(champion, rule["percentile"]) if compares and champion is not None else None,
        "engine": candidate.speed.engine,
        "processor": candidate.speed.machine["processor"],
        "requests": candidate.speed.requests,
    }
    return found


def _of(measured: Measured, percentile: int) -> dict[str, float]:
    assert measured.speed is not None
    found = getattr(measured.speed.request, f"p{percentile}")
    return {"value": found.value, "low": found.low, "high": found.high}


def _judge(rule: Rule, finding: Finding) -> Judged:
    now, before, most, times = finding["now"], finding["before"], rule["at_most_ms"], rule["times_champion"]
    told = f"p{rule['percentile']} latency is {_told(now)} over {finding['requests']} requests ({finding['engine']})"
    faults: list[str] = []
    kept: list[str] = []
    if most is not None:
        (faults if now["value"] > most + ROUNDING else kept).append(f"at most {_ms(most)} ms")
    if before is not None:
        share = now["value"] / before["value"]
        asked = f"at most {times:g} times the champion's {_told(before)}, it is {share:.2f} times"
        (faults if share > times + ROUNDING else kept).append(asked)
    if faults:
        return False, f"{told}; too slow: allowed is {' and '.join(faults)}"
    return True, f"{told}; allowed is {' and '.join(kept)}"


def _told(figure: dict[str, Any]) -> str:
    return f"{_ms(figure['value'])} ms{range_told(figure['low'], figure['high'], _ms)}"


def _ms(value: float) -> str:
    return f"{value:.3g}"


LATENCY = Kind(_find, _judge)
