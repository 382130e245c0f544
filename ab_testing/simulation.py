"""Rehearses a policy: whole rollouts drawn at random, judged by the very functions that judge real ones.

Only the traffic is made up: keys come as a Poisson process, each is new, fails, is labelled and is answered wrongly
with fixed probabilities. Looks are a second apart at first and then a tenth of the time that has passed: what a
controller would see every second is seen a little later here, so durations are rounded up by as much. Harm lasts from
the beginning to the end, so the comparisons that begin anew (``late_spans``) are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ab_testing.policy import Policy
from ab_testing.rehearsed import Case, RehearsedRollout, Traffic
from ab_testing.replaying import CheckHealth, judge
from ecosight.seeds import generator

__all__ = ["Case", "Outcome", "Traffic", "simulate"]

LOOK_GROWTH = 0.1
LONGEST_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the rollouts of one case.

    Attributes:
        promoted, rolled_back, paused, unfinished: shares of the runs.
        median_s, p90_s: until the end, whatever it was; None: none ended.
        detection_s: median from the first candidate key to the roll back; None: fewer than half were rolled back.
        exposed_keys: median of keys that met the candidate.
    """

    case: str
    runs: int
    promoted: float
    rolled_back: float
    paused: float
    unfinished: float
    median_s: float | None
    p90_s: float | None
    detection_s: float | None
    exposed_keys: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def simulate(
    policy: Policy,
    traffic: Traffic,
    case: Case,
    *,
    check_health: CheckHealth,
    runs: int,
    seed: int,
    each: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run many rollouts of one candidate. The same seed gives the same outcome.

    Args:
        each: called after every run, for progress.
    """
    ends: list[tuple[str, float, float, int]] = []
    for run in range(runs):
        ends.append(_one(policy, traffic, case, check_health, generator(seed, "rehearsal", case.name, run)))
        each()
    actions = Counter(end[0] for end in ends)
    ended = [end[1] for end in ends if end[0] != "unfinished"]
    found = sorted(end[2] for end in ends if end[0] == "roll_back")
    missed = runs - len(found)
    return Outcome(
        case=case.name,
        runs=runs,
        promoted=actions["promote"] / runs,
        rolled_back=actions["roll_back"] / runs,
        paused=actions["pause"] / runs,
        unfinished=actions["unfinished"] / runs,
        median_s=float(np.median(ended)) if ended else None,
        p90_s=float(np.quantile(ended, 0.9)) if ended else None,
        detection_s=float(np.median([*found, *[np.inf] * missed])) if len(found) > missed else None,
        exposed_keys=float(np.median([end[3] for end in ends])),
    )


def _one(
    policy: Policy, traffic: Traffic, case: Case, check_health: CheckHealth, rng: np.random.Generator
) -> tuple[str, float, float, int]:
    """(how it ended, seconds, seconds since the first candidate key, keys exposed)."""
    seen = RehearsedRollout(policy, traffic, case, rng)
    prepared_s = seen.prepare()
    while seen.age_s < min(LONGEST_S, policy.max_duration_s or LONGEST_S) + prepared_s + 1:
        seen.wait(max(1.0, LOOK_GROWTH * seen.rollout_age_s))
        verdict = judge(seen.rollout, seen.evidence(), check_health)
        if verdict.action == "advance":
            seen.advance(verdict.weights)
        elif verdict.action != "hold":
            return verdict.action, seen.age_s, seen.rollout_age_s, seen.exposed
    return "unfinished", seen.age_s, seen.rollout_age_s, seen.exposed
