"""Folds exposures into evidence: each request once, each key by its first bad event, each stage by itself.

In memory and idempotent: whoever leads reads the rows of a rollout from the beginning, in any order, some of them
twice, and comes to the same counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from ab_testing.compared import FailingKeys
from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.firsts import Firsts
from ab_testing.late_spans import LateSpans
from ab_testing.memory_series import MemoryKeeper
from ab_testing.shadowed import ShadowedAnswers
from ab_testing.sightings import ArmTotals, KeyFailures
from ab_testing.span import BOTH, Span, SpanLook, Stages
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.histogram import LatencyHistogram, bucket_of
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
        self._stages = Stages()
        self._whole = Span(self._stages)
        self._late = LateSpans(rollout.started_at, self._stages)
        self._arms: defaultdict[str, ArmTotals] = defaultdict(ArmTotals)
        self._assigned: Firsts[tuple[int, str]] = Firsts()
        self._ids: set[str] = set()
        self._truths: dict[str, str] = {}
        self._awaiting: defaultdict[str, list[Exposure]] = defaultdict(list)
        self._shadowed = ShadowedAnswers()
        self._memory = MemoryKeeper()
        self._seen_at: datetime | None = None

    # -- taking in ----------------------------------------------------------------------------------

    def add(self, exposures: Iterable[Exposure]) -> None:
        """Exposures of this rollout, whose routings are told before; one that is known already changes nothing."""
        for exposure in exposures:
            if exposure.id in self._ids or exposure.rollout_id != self.rollout.id:
                continue
            self._ids.add(exposure.id)
            if exposure.champion_label or exposure.counted:
                self._add(exposure)

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
        self._stages.add(routings)

    def knows(self, stage: int) -> bool:
        """Whether the routing of a stage was told."""
        return stage in self._stages.weights

    def reach(self, now: datetime) -> None:
        """Forget what is too old to matter by itself; who reads many rows says so first, and needs less memory."""
        self._late.reach(now)

    # -- giving out ---------------------------------------------------------------------------------

    def reference_histogram(self) -> LatencyHistogram:
        """The control's latencies of stage 0, before any candidate had weight."""
        return LatencyHistogram.counted(self._arms[CONTROL].reference)

    def snapshot(self, now: datetime, servers: Sequence[ServerReport], epoch: int) -> Evidence:
        """Everything known at this moment."""
        self._memory.add(now, servers)
        self.reach(now)
        for arm in self._arms.values():  # in whatever order rows come, and however late
            arm.recent = [row for row in arm.recent if _is_recent(row[0], now)]
        look = self._whole.look(self.rollout.candidates, self.rollout.threshold_ms)
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
            assigned=self._assignment(),
            candidates=tuple(self._candidate(name, look, now, servers) for name in self.rollout.candidates),
            seen_s_ago=None if self._seen_at is None else max(0.0, (now - self._seen_at).total_seconds()),
            servers=len(servers),
            slices={"label": self._whole.by_label(next(iter(self.rollout.candidates)))},
        )

    # -- how ----------------------------------------------------------------------------------------

    def _add(self, exposure: Exposure) -> None:
        arm, key, stage = self._arms[exposure.intended], exposure.key, exposure.stage
        arm.meet(key, stage, exposure.at, fault=exposure.fault)
        if exposure.intended != CHAMPION:
            arm.recent.append((exposure.at, key, bool(exposure.fault)))
        if self._seen_at is None or exposure.at > self._seen_at:
            self._seen_at = exposure.at
        if exposure.champion_label:
            self._add_shadow(exposure)
            return
        met, place = (stage, exposure.intended), self._stages.place(exposure)
        self._assigned.note(key, met, met)
        if not stage and not exposure.fault:
            arm.reference[place.bucket] += 1
        self._whole.add(exposure, place)
        for span in self._late.of(exposure):
            span.add(exposure, place)
        if stage:
            self._await_truth(exposure)

    def _add_shadow(self, exposure: Exposure) -> None:
        if exposure.fault:
            return
        self._whole.arms[exposure.intended].latency[bucket_of(exposure.latency_ms)] += 1
        self._shadowed.add(exposure)
        self._await_truth(exposure)

    def _await_truth(self, exposure: Exposure) -> None:
        """It may be known already, come later, or be corrected later."""
        self._awaiting[exposure.prediction_id].append(exposure)
        truth = self._truths.get(exposure.prediction_id)
        if truth is not None:
            self._label(exposure, truth)

    def _label(self, exposure: Exposure, truth: str) -> None:
        if exposure.champion_label:
            self._shadowed.label(exposure, truth)
            return
        self._whole.label(exposure, truth)
        for span in self._late.of(exposure):
            span.label(exposure, truth)

    def _assignment(self) -> AssignmentCounts | None:
        """Each key once, where it was first seen: one that a rising share moved was no chance of its own."""
        counted, total = self._assigned.counts, AssignmentCounts()
        for stage, weights in sorted(self._stages.weights.items()):
            live = {name: weight for name, weight in weights.items() if weight > 0}
            if len(live) < 2:
                continue
            total += AssignmentCounts.at(tuple(live.values()), [counted[stage, name] for name in live])
        return total if total.stages else None

    def _candidate(
        self, name: str, look: SpanLook, now: datetime, servers: Sequence[ServerReport]
    ) -> CandidateEvidence:
        arm, seen, stage = self._arms[name], look.arms[name], self.rollout.stage
        figures = [server.arms[name] for server in servers if name in server.arms]
        crashes = [datetime.fromisoformat(at) for each in figures for at in each.get("crashed_at", ())]
        memory, control_memory = self._memory.series(name, CONTROL)
        compared, here = look.compared(name), arm.stages[stage].told()
        return CandidateEvidence(
            arm=name,
            errors=compared.errors,
            slow=compared.slow,
            first_answers=compared.first_answers,
            wrong=compared.wrong,
            lately=tuple(self._late.compared(name, self.rollout)),
            judged=self._whole.judged(name),
            labelled=look.keys.compared(name, BOTH, "met", "labelled"),
            pairs=self._shadowed.counts(name),
            latency=compared.latency,
            control_latency=compared.control_latency,
            met_keys=len(seen.met),
            bad_keys=len(seen.failed.keys() | seen.wrong.keys()),
            stage_keys=here.keys,
            stage_failed=here.failed,
            beside=compared.beside,
            alone=compared.alone,
            stage_units={
                "errors": look.keys.units_at(stage, name, BOTH, "met"),
                "slow": look.twins.units_at(stage, name, (CONTROL,), "answered"),
                "wrong": look.keys.units_at(stage, name, BOTH, "labelled"),
            },
            unlabelled_keys=len(seen.met.keys() - self._whole.told.keys()),
            requests=arm.requests,
            control_requests=sum(self._arms[each].requests for each in BOTH),
            recent_requests=len(arm.recent),
            recent_faults=sum(bad for _, _, bad in arm.recent),
            recent=_by_key(arm),
            control_recent=_by_key(self._arms[CONTROL]),
            crashes_s_ago=tuple(sorted(abs((now - at).total_seconds()) for at in crashes)),
            non_finite=max(arm.non_finite, sum(int(each.get("non_finite", 0)) for each in figures)),
            load_failures=tuple(str(each.get("error", "")) for each in figures if each.get("state") == "failed"),
            memory=memory,
            control_memory=control_memory,
            answered_s_ago=None if arm.last_at is None else max(0.0, (now - arm.last_at).total_seconds()),
        )


def _by_key(arm: ArmTotals) -> FailingKeys:
    recent = KeyFailures()
    for _, key, failed in arm.recent:
        recent.meet(key, failed=failed)
    return recent.told()


def _is_recent(at: datetime, now: datetime) -> bool:
    """Of the last minute; what lies further ahead than that was noted before a clock was set back."""
    return abs((now - at).total_seconds()) <= RECENT_S
