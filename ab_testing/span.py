"""What the arms of a rollout are compared by, from one moment on: each key once, by its first event since then.

Stage 0 is not compared: what the control met then would use up its keys, and the candidate has none (``key_counts``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ab_testing.compared import Compared
from ab_testing.firsts import Firsts
from ab_testing.key_counts import KeyCounts
from ab_testing.sightings import ArmSightings
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram, bucket_of
from ab_testing.twins import Twins
from ecosight.rollouts import CHAMPION, CONTROL, Exposure, Routing

__all__ = ["BOTH", "Place", "Span", "SpanLook", "Stages"]

BOTH = (CHAMPION, CONTROL)
"""A candidate's failures and wrong answers are compared with those of both; its latency with the control's alone."""


class Place(NamedTuple):
    """What an exposure counts for, which is the same in every span.

    Attributes:
        bucket: of its latency, which counts for the arm if the arm answered.
        alone: nobody answered beside it; compared: its latency is compared with that of its twins.
    """

    bucket: int
    alone: bool
    compared: bool


class Stages:
    """What weights each stage had. All spans of a rollout read one.

    Attributes:
        weights: buckets by arm, of each stage; twins: which keys of it are compared by their latency.
    """

    def __init__(self) -> None:
        self.weights: dict[int, dict[str, int]] = {}
        self.twins: dict[int, Twins] = {}

    def add(self, routings: Sequence[Routing]) -> None:
        for routing in routings:
            if routing.stage not in self.weights:
                self.weights[routing.stage] = {arm.name: arm.weight for arm in routing.arms if not arm.shadow}
                self.twins[routing.stage] = Twins(routing)

    def place(self, exposure: Exposure) -> Place:
        """Found once, and not by every span: it is a digest of the key."""
        twins = self.twins.get(exposure.stage)
        return Place(
            bucket=bucket_of(exposure.latency_ms),
            alone=not _others(self.weights.get(exposure.stage, {})),
            compared=twins is not None and twins.compares(exposure.intended, exposure.key),
        )


class Span:
    """Used by one thread; exposures and truths may come in any order."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.arms: defaultdict[str, ArmSightings] = defaultdict(ArmSightings)
        self.told: Firsts[tuple[str, int, bool]] = Firsts()
        """By (arm, stage, wrong) of the first answer to a key whose truth was told: one label a key. Rates of wrong
        answers rest on these. A key that is labelled in two arms would else count for the one that it left with the
        answers that it had there, and for the other with those that are left."""
        self._said: Firsts[tuple[str, int, str]] = Firsts()
        """By (label, stage, arm) of the first answer to a key."""
        self._answers: defaultdict[str, list[tuple[str, int, float]]] = defaultdict(list)

    # -- taking in ----------------------------------------------------------------------------------

    def add(self, exposure: Exposure, place: Place) -> None:
        """An answer that counts, or the lack of one; each is told once."""
        arm, key, stage = self.arms[exposure.intended], exposure.key, exposure.stage
        if not exposure.fault:
            arm.latency[place.bucket] += 1
        if not stage:
            return
        arm.met.note(key, stage)
        (arm.alone if place.alone else arm.beside).meet(key, failed=bool(exposure.fault))
        if exposure.fault:
            arm.failed.note(key, stage)
            return
        self._said.note(
            key, (stage, exposure.at, exposure.intended, exposure.label), (exposure.label, stage, exposure.intended)
        )
        if place.compared:
            arm.answered.note(key, stage)
            arm.first_answers.note(key, (stage, exposure.at, place.bucket), (stage, place.bucket))
            self._answers[exposure.intended].append((key, stage, exposure.latency_ms))

    def label(self, exposure: Exposure, truth: str) -> None:
        """The truth about an answer; another one than before corrects it."""
        arm, key, stage = self.arms[exposure.intended], exposure.key, exposure.stage
        wrong = exposure.label != truth
        arm.labelled.note(key, stage)
        arm.judge(key, exposure.id, stage, wrong=wrong)
        self.told.note(key, (stage, exposure.at, exposure.id), (exposure.intended, stage, wrong))

    # -- giving out ---------------------------------------------------------------------------------

    def look(self, candidates: Iterable[str], threshold_ms: float | None) -> SpanLook:
        """What is known at this moment."""
        self._find_slow(threshold_ms)
        arms = {name: self.arms[name] for name in (*BOTH, *candidates)}
        twins = {stage: found.weights for stage, found in self._stages.twins.items()}
        return SpanLook(arms, keys=KeyCounts(arms, self._stages.weights), twins=KeyCounts(arms, twins))

    def judged(self, name: str) -> ArmCounts:
        """One label a key: those of the candidate and of the control, at each stage with both."""
        counts, total = self.told.counts, ArmCounts()
        for stage, weights in sorted(self._stages.weights.items()):
            own, other = weights.get(name, 0), _others(weights)
            if own and other:
                right, wrong = ({arm: counts[arm, stage, bad] for arm in (name, *BOTH)} for bad in (False, True))
                total += ArmCounts.at(
                    own / (own + other),
                    candidate=(right[name] + wrong[name], wrong[name]),
                    control=(sum(right[arm] + wrong[arm] for arm in BOTH), sum(wrong[arm] for arm in BOTH)),
                )
        return total

    def by_label(self, name: str) -> dict[str, ArmCounts]:
        """A candidate against the control, by the first label that a key got, counted for the arm and the stage that
        gave it; bad: that arm failed the key, or was wrong."""
        found: dict[tuple[str, int], list[int]] = {}
        places = {name: 0, CHAMPION: 2, CONTROL: 2}
        for (label, stage, arm), keys in self._said.counts.items():
            if keys and arm in places:
                found.setdefault((label, stage), [0, 0, 0, 0])[places[arm]] += keys
        for arm, place in places.items():
            seen = self.arms[arm]
            for key in seen.failed.keys() | seen.wrong.keys():
                said = self._said.of(key)
                if said is not None and said[2] == arm:
                    found[said[:2]][place + 1] += 1
        totals: dict[str, ArmCounts] = {}
        for (label, stage), counts in sorted(found.items()):
            weights = self._stages.weights.get(stage, {})
            own, other = weights.get(name, 0), _others(weights)
            if own and other:
                here = ArmCounts.at(
                    own / (own + other), candidate=(counts[0], counts[1]), control=(counts[2], counts[3])
                )
                totals[label] = totals.get(label, ArmCounts()) + here
        return totals

    # -- how ----------------------------------------------------------------------------------------

    def _find_slow(self, threshold_ms: float | None) -> None:
        """Answers above the threshold, once it is frozen; those of before are looked at then."""
        if threshold_ms is None:
            return
        for name, answers in self._answers.items():
            slow = self.arms[name].slow
            for key, stage, latency_ms in answers:
                if latency_ms > threshold_ms:
                    slow.note(key, stage)
            answers.clear()


@dataclass(frozen=True, slots=True)
class SpanLook:
    """One moment. ``keys`` as the router splits them, and those ``twins`` that are compared by their latency."""

    arms: Mapping[str, ArmSightings]
    keys: KeyCounts
    twins: KeyCounts

    def compared(self, name: str) -> Compared:
        """A candidate beside the control."""
        return Compared(
            errors=self.keys.compared(name, BOTH, "met", "failed"),
            slow=self.twins.compared(name, (CONTROL,), "answered", "slow"),
            first_answers=self.twins.first_answers(name, CONTROL),
            wrong=self.keys.compared(name, BOTH, "labelled", "wrong"),
            latency=LatencyHistogram.counted(self.arms[name].latency),
            control_latency=LatencyHistogram.counted(self.arms[CONTROL].latency),
            beside=self.arms[name].beside.told(),
            alone=self.arms[name].alone.told(),
        )


def _others(weights: dict[str, int]) -> int:
    """Buckets of the arms that a candidate is compared with."""
    return sum(weights.get(arm, 0) for arm in BOTH)
