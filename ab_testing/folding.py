"""Folds exposures into evidence: each request once, each key by its first bad event, each stage by itself.

Stage 0 is not compared: what the control met then would use up its keys, and the candidate has none (``key_counts``).

In memory and idempotent: whoever leads reads the rows of a rollout from the beginning, in any order, some of them
twice, and comes to the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.first_said import FirstSaid
from ab_testing.key_counts import KeyCounts
from ab_testing.memory_series import MemoryKeeper
from ab_testing.sightings import ArmSightings, note_first
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram, bucket_of
from ab_testing.stats.pairs import PairCounts
from ab_testing.told_keys import ToldKeys
from ab_testing.twins import Twins
from ecosight.rollouts import CHAMPION, CONTROL, Exposure, Rollout, Routing, ServerReport

__all__ = ["EvidenceFold"]

RECENT_S = 60.0


class EvidenceFold:
    """The evidence of one rollout. Used by one thread.

    Attributes:
        rollout: its newest row: stage and threshold are read from it.
    """

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self._arms: dict[str, ArmSightings] = {}
        self._ids: set[str] = set()
        self._weights: dict[int, dict[str, int]] = {}
        self._twins: dict[int, Twins] = {}
        self._truths: dict[str, str] = {}
        self._awaiting: dict[str, list[Exposure]] = {}
        self._pairs: dict[str, dict[str, str]] = {}
        self._shadowed: dict[str, tuple[str, str, str]] = {}
        self._answers: dict[str, list[tuple[str, int, float]]] = {}
        self._memory = MemoryKeeper()
        self._seen_at: datetime | None = None
        self._first: dict[str, tuple[int, str]] = {}
        self._said = FirstSaid()
        self._told = ToldKeys()

    # -- taking in ----------------------------------------------------------------------------------

    def add(self, exposures: Iterable[Exposure]) -> None:
        """Exposures of this rollout, whose routings are told before; one that is known already changes nothing."""
        for exposure in exposures:
            if exposure.id in self._ids or exposure.rollout_id != self.rollout.id:
                continue
            self._ids.add(exposure.id)
            if exposure.champion_label:
                self._add_shadow(exposure)
            elif exposure.counted:
                self._add_answer(exposure)

    def add_truths(self, truths: Iterable[tuple[str, str]]) -> None:
        """(prediction id, truth); what is told again counts once, and a truth that was corrected replaces the first."""
        for prediction_id, truth in truths:
            if self._truths.get(prediction_id) == truth:
                continue
            self._truths[prediction_id] = truth
            for exposure in self._awaiting.get(prediction_id, ()):
                self._label(exposure, truth)

    def set_routings(self, routings: Sequence[Routing]) -> None:
        """The routings of this rollout: what weights each stage had."""
        for routing in routings:
            if routing.stage not in self._weights:
                self._weights[routing.stage] = {arm.name: arm.weight for arm in routing.arms if not arm.shadow}
                self._twins[routing.stage] = Twins(routing)

    # -- giving out ---------------------------------------------------------------------------------

    def reference_histogram(self) -> LatencyHistogram:
        """The control's latencies of stage 0, before any candidate had weight."""
        return _histogram(self._arm(CONTROL).reference)

    def snapshot(self, now: datetime, servers: Sequence[ServerReport], epoch: int) -> Evidence:
        """Everything known at this moment."""
        self._find_slow()
        self._memory.add(now, servers)
        arms = {name: self._arm(name) for name in (CHAMPION, CONTROL, *self.rollout.candidates)}
        keys = KeyCounts(arms, self._weights)
        twins = KeyCounts(arms, {stage: found.weights for stage, found in self._twins.items()})
        since = self.rollout.stage_since or self.rollout.started_at
        if self._seen_at is not None:  # a clock that was set back must not hide for an hour that nobody asks any more
            self._seen_at = min(self._seen_at, now)
        return Evidence(
            rollout_id=self.rollout.id,
            epoch=epoch,
            stage=self.rollout.stage,
            stage_age_s=(now - since).total_seconds(),
            age_s=(now - self.rollout.began_at).total_seconds(),
            threshold_ms=self.rollout.threshold_ms,
            median_ms=self.rollout.median_ms,
            assigned=self._assigned(),
            candidates=tuple(self._candidate(name, keys, twins, now, servers) for name in self.rollout.candidates),
            seen_s_ago=None if self._seen_at is None else max(0.0, (now - self._seen_at).total_seconds()),
            servers=len(servers),
            slices={"label": self._by_label()},
        )

    # -- how ----------------------------------------------------------------------------------------

    def _arm(self, name: str) -> ArmSightings:
        return self._arms.setdefault(name, ArmSightings())

    def _add_answer(self, exposure: Exposure) -> None:
        arm, key, stage = self._arm(exposure.intended), exposure.key, exposure.stage
        arm.requests += 1
        if self._seen_at is None or exposure.at > self._seen_at:
            self._seen_at = exposure.at
        arm.recent.append((exposure.at, bool(exposure.fault)))
        arm.stage_keys.setdefault(stage, set()).add(key)
        self._first[key] = min(self._first.get(key, (stage, exposure.intended)), (stage, exposure.intended))
        if exposure.fault:
            arm.non_finite += exposure.fault == "non_finite"
        else:
            arm.last_at = max(arm.last_at or exposure.at, exposure.at)
            bucket = bucket_of(exposure.latency_ms)
            arm.latency[bucket] += 1
            if stage == 0:
                arm.reference[bucket] += 1
        if stage:  # before it nobody is compared, so nothing that a key met then is the first event of it that counts
            self._compare(arm, exposure)

    def _compare(self, arm: ArmSightings, exposure: Exposure) -> None:
        key, stage = exposure.key, exposure.stage
        note_first(arm.met, key, stage)
        if exposure.fault:
            note_first(arm.failed, key, stage)
            arm.stage_failed.setdefault(stage, set()).add(key)
        else:
            self._said.note(key, stage=stage, at=exposure.at, arm=exposure.intended, label=exposure.label)
            if stage in self._twins and self._twins[stage].compares(exposure.intended, key):
                note_first(arm.answered, key, stage)
                arm.answer(key, stage, exposure.at, bucket_of(exposure.latency_ms))
                self._answers.setdefault(exposure.intended, []).append((key, stage, exposure.latency_ms))
        self._await_truth(exposure)

    def _await_truth(self, exposure: Exposure) -> None:
        """It may be known already, come later, or be corrected later."""
        self._awaiting.setdefault(exposure.prediction_id, []).append(exposure)
        truth = self._truths.get(exposure.prediction_id)
        if truth is not None:
            self._label(exposure, truth)

    def _label(self, exposure: Exposure, truth: str) -> None:
        if exposure.champion_label:
            self._shadowed[exposure.id] = (exposure.label, exposure.champion_label, truth)
            return
        arm, wrong = self._arm(exposure.intended), exposure.label != truth
        note_first(arm.labelled, exposure.key, exposure.stage)
        arm.judge(exposure.key, exposure.id, exposure.stage, wrong=wrong)
        self._told.tell(
            exposure.key,
            stage=exposure.stage,
            at=exposure.at,
            answer=exposure.id,
            arm=exposure.intended,
            wrong=wrong,
        )

    def _add_shadow(self, exposure: Exposure) -> None:
        arm = self._arm(exposure.intended)
        arm.requests += 1
        arm.recent.append((exposure.at, bool(exposure.fault)))
        if self._seen_at is None or exposure.at > self._seen_at:
            self._seen_at = exposure.at
        arm.stage_keys.setdefault(exposure.stage, set()).add(exposure.key)
        if exposure.fault:
            arm.non_finite += exposure.fault == "non_finite"
            arm.stage_failed.setdefault(exposure.stage, set()).add(exposure.key)
            return
        arm.latency[bucket_of(exposure.latency_ms)] += 1
        arm.last_at = max(arm.last_at or exposure.at, exposure.at)
        self._pairs.setdefault(exposure.intended, {})[exposure.id] = ""
        self._shadowed[exposure.id] = (exposure.label, exposure.champion_label, "")
        self._await_truth(exposure)

    def _find_slow(self) -> None:
        """Answers above the threshold, once it is frozen; those of before are looked at again then."""
        threshold_ms = self.rollout.threshold_ms
        if threshold_ms is None:
            return
        for name, answers in self._answers.items():
            arm = self._arm(name)
            for key, stage, latency_ms in answers:
                if latency_ms > threshold_ms:
                    note_first(arm.slow, key, stage)
            answers.clear()

    def _assigned(self) -> AssignmentCounts | None:
        """Each key once, where it was first seen: one that a rising share moved was no chance of its own."""
        counted = Counter(self._first.values())
        total = AssignmentCounts()
        for stage, weights in sorted(self._weights.items()):
            live = {name: weight for name, weight in weights.items() if weight > 0}
            if len(live) < 2:
                continue
            counts = [counted[stage, name] for name in live]
            total += AssignmentCounts.at(tuple(live.values()), counts)
        return total if total.stages else None

    def _candidate(
        self, name: str, keys: KeyCounts, twins: KeyCounts, now: datetime, servers: Sequence[ServerReport]
    ) -> CandidateEvidence:
        arm, control = self._arm(name), self._arm(CONTROL)
        while arm.recent and not _is_recent(arm.recent[0][0], now):
            arm.recent.popleft()
        both, stage = (CHAMPION, CONTROL), self.rollout.stage
        figures = [server.arms[name] for server in servers if name in server.arms]
        crashes = [datetime.fromisoformat(at) for each in figures for at in each.get("crashed_at", ())]
        memory, control_memory = self._memory.series(name, CONTROL)
        alone = [at for at, weights in self._weights.items() if _answers_alone(name, weights)]
        return CandidateEvidence(
            arm=name,
            errors=keys.compared(name, both, "met", "failed"),
            slow=twins.compared(name, (CONTROL,), "answered", "slow"),
            first_answers=twins.first_answers(name, CONTROL),
            wrong=keys.compared(name, both, "labelled", "wrong"),
            judged=self._judged(name, both),
            labelled=keys.compared(name, both, "met", "labelled"),
            pairs=self._pair_counts(name),
            latency=_histogram(arm.latency),
            control_latency=_histogram(control.latency),
            met_keys=len(arm.met),
            bad_keys=len(arm.failed.keys() | arm.wrong.keys()),
            stage_keys=len(arm.stage_keys.get(stage, ())),
            stage_failed_keys=len(arm.stage_failed.get(stage, ())),
            stage_units={
                "errors": keys.units_at(stage, name, both, "met"),
                "slow": twins.units_at(stage, name, (CONTROL,), "answered"),
                "wrong": keys.units_at(stage, name, both, "labelled"),
            },
            unlabelled_keys=len(arm.met.keys() - self._told.keys()),
            alone_keys=sum(len(arm.stage_keys.get(at, ())) for at in alone),
            alone_failed_keys=sum(len(arm.stage_failed.get(at, ())) for at in alone),
            requests=arm.requests,
            control_requests=sum(self._arm(each).requests for each in both),
            recent_requests=len(arm.recent),
            recent_faults=sum(bad for _, bad in arm.recent),
            crashes_s_ago=tuple(sorted(abs((now - at).total_seconds()) for at in crashes)),
            non_finite=max(arm.non_finite, sum(int(each.get("non_finite", 0)) for each in figures)),
            load_failures=tuple(str(each.get("error", "")) for each in figures if each.get("state") == "failed"),
            memory=memory,
            control_memory=control_memory,
            answered_s_ago=None if arm.last_at is None else max(0.0, (now - arm.last_at).total_seconds()),
        )

    def _by_label(self) -> dict[str, ArmCounts]:
        """The first candidate against the control, by the first label that a key got, counted for the arm and the stage
        that gave it; bad: that arm failed the key, or was wrong."""
        name = next(iter(self.rollout.candidates))
        found: dict[tuple[str, int], list[int]] = {}
        places = {name: 0, CHAMPION: 2, CONTROL: 2}
        for (label, stage, arm), keys in self._said.keys.items():
            if keys and arm in places:
                found.setdefault((label, stage), [0, 0, 0, 0])[places[arm]] += keys
        for arm, place in places.items():
            seen = self._arm(arm)
            for label, stage in self._said.by(arm, seen.failed.keys() | seen.wrong.keys()):
                found[label, stage][place + 1] += 1
        totals: dict[str, ArmCounts] = {}
        for (label, stage), counts in sorted(found.items()):
            weights = self._weights.get(stage, {})
            own, other = weights.get(name, 0), weights.get(CHAMPION, 0) + weights.get(CONTROL, 0)
            if own and other:
                here = ArmCounts.at(
                    own / (own + other), candidate=(counts[0], counts[1]), control=(counts[2], counts[3])
                )
                totals[label] = totals.get(label, ArmCounts()) + here
        return totals

    def _judged(self, name: str, control: tuple[str, ...]) -> ArmCounts:
        """One label a key: those of the candidate and of the control, at each stage with both."""
        units, wrong, total = self._told.units, self._told.wrong, ArmCounts()
        for stage, weights in sorted(self._weights.items()):
            own, other = weights.get(name, 0), sum(weights.get(each, 0) for each in control)
            if own and other:
                theirs = [sum(counted[each, stage] for each in control) for counted in (units, wrong)]
                total += ArmCounts.at(
                    own / (own + other),
                    candidate=(units[name, stage], wrong[name, stage]),
                    control=(theirs[0], theirs[1]),
                )
        return total

    def _pair_counts(self, name: str) -> PairCounts:
        agreed = ours = theirs = neither = pending = 0
        for exposure_id in self._pairs.get(name, ()):
            label, champion, truth = self._shadowed[exposure_id]
            if label == champion:
                agreed += 1
            elif not truth:
                pending += 1
            else:
                ours += label == truth
                theirs += champion == truth
                neither += truth not in (label, champion)
        return PairCounts(
            agreed=agreed, candidate_right=ours, control_right=theirs, neither_right=neither, pending=pending
        )


def _answers_alone(name: str, weights: Mapping[str, int]) -> bool:
    """Whether an arm has clients and nobody answers beside it that it could be compared with."""
    return weights.get(name, 0) > 0 and not any(weights.get(each, 0) for each in (CHAMPION, CONTROL))


def _is_recent(at: datetime, now: datetime) -> bool:
    """Of the last minute; what lies further ahead than that was noted before a clock was set back."""
    return abs((now - at).total_seconds()) <= RECENT_S


def _histogram(counts: Counter[int]) -> LatencyHistogram:
    return LatencyHistogram(tuple(sorted(counts.items())))
