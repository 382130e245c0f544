"""Rehearses a policy on traffic as it was recorded: what `ecosight rollout simulate` tells before a rollout begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ab_testing.simulation import Outcome, Traffic
    from ecosight.ports import Progress
    from pipeline.wiring import Workbench

__all__ = ["Expected", "rehearse"]

ENOUGH_LABELS = 50
"""Fewer truths do not tell how often the champion is wrong."""
_HEADERS = (
    "a candidate that",
    "promoted",
    "taken back",
    "waits for a person",
    "median end",
    "9 of 10 by",
    "found in",
    "keys exposed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What somebody expects instead of what was recorded; None: as recorded."""

    requests_per_s: float | None = None
    keys_per_s: float | None = None
    error_rate: float | None = None
    label_rate: float | None = None
    days: float = 7.0


def rehearse(
    bench: Workbench,
    *,
    strategy: str,
    differences: Mapping[str, Any],
    expected: Expected,
    runs: int,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, Any], list[str]]:
    """The figures as a JSON object, and the lines for people.

    Raises: NotEnoughData: hardly any traffic was recorded, and nobody said what to expect. InvalidInput: the policy.
    """
    from ab_testing.policy import Policy
    from ab_testing.simulation import Case, simulate
    from rollback.triggers import check_health

    policy = Policy.of(bench.config, strategy, differences)
    traffic, source, errors = _traffic(bench, expected)
    cases = (
        Case(name="is as good"),
        Case(name="is 5 points less accurate", points_worse=0.05),
        Case(name="fails 10 times as often", error_ratio=10.0),
        Case(name="takes twice as long", latency_ratio=2.0),
    )
    with progress.task("rehearsing", runs * len(cases), "rollouts") as task:
        outcomes = [
            simulate(policy, traffic, case, check_health=check_health, runs=runs, seed=seed, each=task.advance)
            for case in cases
        ]
    told = {
        "strategy": strategy,
        "policy": policy.as_dict(),
        "traffic": asdict(traffic) | {"source": source, "error_rate_source": errors},
        "seed": seed,
        "false_rollback_rate": outcomes[0].rolled_back,
        "false_rollback_below": _upper_95(outcomes[0]),
        "duration_s": outcomes[0].median_s,
        "detects_5_points_s": outcomes[1].detection_s,
        "cases": [each.as_dict() for each in outcomes],
    }
    return told, _lines(told, traffic, outcomes)


def _traffic(bench: Workbench, expected: Expected) -> tuple[Traffic, str, str]:
    """What comes in, where that is known from, and where the error rate is."""
    from ab_testing.simulation import Traffic
    from pipeline.recorded_traffic import read_traffic

    since = bench.clock.now() - timedelta(days=expected.days)
    error_rate, errors = _error_rate(bench, expected, since)
    given = {"error_rate": error_rate, "label_rate": expected.label_rate}
    if expected.requests_per_s is not None:
        rates = {
            "requests_per_s": expected.requests_per_s,
            "keys_per_s": expected.keys_per_s or expected.requests_per_s,
        }
        return Traffic(**rates, **_set(given)), "as expected", errors
    bench.predictions.flush()
    recorded = read_traffic(bench.db, since=since)
    seconds = max(recorded.seconds, 1.0)
    given |= {"wrong_rate": recorded.wrong / recorded.labelled if recorded.labelled >= ENOUGH_LABELS else None}
    found = {
        "requests_per_s": recorded.requests_per_s,
        "keys_per_s": expected.keys_per_s or recorded.keys / seconds,
        "label_rate": min(1.0, recorded.labelled / recorded.keys),
    }
    source = f"{recorded.requests:,} requests recorded in {_span(seconds)}"
    return Traffic(**{**found, **_set(given)}), source, errors


def _error_rate(bench: Workbench, expected: Expected, since: datetime) -> tuple[float | None, str]:
    """The share of keys that meet a failure of a good model, and where that is known from; None: not known."""
    from pipeline.recorded_traffic import read_failures

    if expected.error_rate is not None:
        return expected.error_rate, "as expected"
    bench.exposure_log.flush()
    recorded = read_failures(bench.db, since=since)
    if recorded is None:
        return None, "assumed: too few keys met the control of a rollout in that time"
    return recorded.rate, f"recorded: {recorded.failed:,} of {recorded.keys:,} keys of the control met one"


def _set(given: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in given.items() if value is not None}


def _upper_95(outcome: Outcome) -> float:
    """The false-rollback rate lies below this with a confidence of 95% (Clopper and Pearson)."""
    from scipy.stats import beta

    bad = round(outcome.rolled_back * outcome.runs)
    return 1.0 if bad == outcome.runs else float(beta.ppf(0.95, bad + 1, outcome.runs - bad))


def _lines(told: Mapping[str, Any], traffic: Traffic, outcomes: Sequence[Outcome]) -> list[str]:
    from pipeline.rollouts_told import table

    rows = [
        (
            each.case,
            f"{each.promoted:.1%}",
            f"{each.rolled_back:.1%}",
            f"{each.paused + each.unfinished:.1%}",
            _span(each.median_s),
            _span(each.p90_s),
            _span(each.detection_s),
            f"{each.exposed_keys:,.0f}",
        )
        for each in outcomes
    ]
    lines = [
        f"{told['strategy']}, {outcomes[0].runs} rehearsals of each case, seed {told['seed']}",
        f"traffic ({told['traffic']['source']}): {traffic.requests_per_s:.3g} requests and "
        f"{traffic.keys_per_s:.3g} new keys a second; "
        f"{traffic.label_rate:.2%} of the keys get a label, {traffic.error_rate:.2%} meet a failure",
        f"failures are {told['traffic']['error_rate_source']}",
        "",
        *table([_HEADERS, *rows]),
        "",
        f"an equal candidate is taken back in {told['false_rollback_rate']:.2%} of the rollouts "
        f"(below {told['false_rollback_below']:.2%}, with 95% confidence)",
    ]
    if told["detects_5_points_s"] is None:
        why = "no truths are told" if not traffic.label_rate else "too few truths come before the end"
        lines.append(f"a loss of 5 points is found in fewer than half of the rollouts: {why}")
    return lines


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
