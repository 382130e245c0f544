"""Counts keys by stage, the candidate's against the control's: what the sequential tests are fed with.

A key that a rising share moved to the candidate, and that was bad before in any other arm, is not bad once more, and no
unit of the candidate's: the control's keys that are bad now and then are used up by and by, the candidate's would come
fresh with every stage. That holds for keys that come from another candidate as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from ab_testing.firsts import KeyStages
from ab_testing.sightings import ArmSightings
from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram

__all__ = ["KeyCounts"]


class KeyCounts:
    """Of one moment; counts what is asked for once.

    Args:
        arms: what was seen of each arm.
        weights: buckets by arm, of each stage.
    """

    def __init__(self, arms: Mapping[str, ArmSightings], weights: Mapping[int, Mapping[str, int]]) -> None:
        self._arms, self._weights = arms, weights
        self._counted: dict[tuple[str, tuple[str, ...]], Counter[tuple[str, int]]] = {}

    def compared(self, name: str, control: tuple[str, ...], units: str, bad: str) -> ArmCounts:
        """Keys of a candidate and of the control's arms, and those that are bad, at each stage with both.

        Args:
            units, bad: which maps of ``ArmSightings``.
        """
        ours, theirs = self._at_risk(units, (name,), bad), self._at_risk(units, control, bad)
        bads = self._by_stage(bad, tuple(self._arms))
        total = ArmCounts()
        for stage, weights in sorted(self._weights.items()):
            own, other = weights.get(name, 0), sum(weights.get(each, 0) for each in control)
            if not own or not other:
                continue
            total += ArmCounts.at(
                own / (own + other),
                candidate=(ours[name, stage], bads[name, stage]),
                control=(sum(theirs[each, stage] for each in control), sum(bads[each, stage] for each in control)),
            )
        # A key that was labelled at an earlier stage is a unit of the one in which it was first wrong, too.
        return ArmCounts(
            tuple(
                replace(
                    stage,
                    control_units=max(stage.control_units, stage.control_bad),
                    candidate_units=max(stage.candidate_units, stage.candidate_bad),
                )
                for stage in total.stages
            )
        )

    def units_at(self, stage: int, name: str, control: tuple[str, ...], units: str) -> int:
        """Keys of both at one stage; none where one of them has no keys."""
        weights = self._weights.get(stage, {})
        if not weights.get(name, 0) or not any(weights.get(each, 0) for each in control):
            return 0
        ours, theirs = self._by_stage(units, (name,)), self._by_stage(units, control)
        return ours[name, stage] + sum(theirs[each, stage] for each in control)

    def first_answers(self, name: str, control: str) -> ArmLatencies:
        """Latencies of the first answers to keys of a candidate and of the control, at each stage with both."""
        ours, theirs = self._arms[name], self._arms[control]
        counted = {name: Counter(ours.first_answers.counts), control: Counter(theirs.first_answers.counts)}
        for key in ours.first_answers.keys() & theirs.first_answers.keys():
            (stage, _, bucket), arm = max(
                (ours.first_answers.rank(key), name), (theirs.first_answers.rank(key), control)
            )
            counted[arm][stage, bucket] -= 1
        total = ArmLatencies()
        for at, weights in sorted(self._weights.items()):
            own, other = weights.get(name, 0), weights.get(control, 0)
            if not own or not other:
                continue
            arms = {
                arm: LatencyHistogram(tuple((bucket, n) for (stage, bucket), n in counts.items() if stage == at))
                for arm, counts in counted.items()
            }
            total += ArmLatencies.at(own / (own + other), candidate=arms[name], control=arms[control])
        return total

    def _at_risk(self, units: str, side: tuple[str, ...], bad: str) -> Counter[tuple[str, int]]:
        """Keys by arm and stage, without those that were bad elsewhere before this side met them."""
        counted = Counter(self._by_stage(units, side))
        own: dict[str, KeyStages] = {arm: getattr(self._arms[arm], units) for arm in side}
        others: list[KeyStages] = [getattr(self._arms[arm], bad) for arm in self._arms if arm not in side]
        used = {key for arm in side for other in others for key in own[arm].keys() & other.keys()}
        for key in used:
            met = min((own[arm][key], arm) for arm in side if key in own[arm])
            if min(other[key] for other in others if key in other) < met[0]:
                counted[met[1], met[0]] -= 1
        return counted

    def _by_stage(self, what: str, arms: tuple[str, ...]) -> Counter[tuple[str, int]]:
        """Keys by arm and stage, each where it first was in any of these arms."""
        if (what, arms) in self._counted:
            return self._counted[what, arms]
        stages: dict[str, KeyStages] = {arm: getattr(self._arms[arm], what) for arm in arms}
        counted: Counter[tuple[str, int]] = Counter()
        for arm in arms:
            counted.update({(arm, stage): keys for stage, keys in stages[arm].counts.items()})
        if len(arms) == 2:  # champion and control: by far the most keys, and most of them in both where shares move
            one, other = arms
            for key in stages[one].keys() & stages[other].keys():
                stage, arm = max((stages[one][key], one), (stages[other][key], other))
                counted[arm, stage] -= 1
        else:
            for key in set().union(*(stages[a].keys() & stages[b].keys() for a, b in combinations(arms, 2))):
                places = sorted((stages[arm][key], arm) for arm in arms if key in stages[arm])
                counted.subtract((arm, stage) for stage, arm in places[1:])
        self._counted[what, arms] = counted
        return counted
