"""Owns the composed face of the statistics: one object that answers every question a rollout asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.growth import MemorySeries
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.judge_arms import judge_arms, judge_arms_ratio
from ab_testing.stats.judge_fixed import FixedEvidence, judge_fixed
from ab_testing.stats.judge_group import judge_group_sequential
from ab_testing.stats.judge_latency import judge_latency
from ab_testing.stats.judge_means import judge_means
from ab_testing.stats.judge_memory import judge_memory
from ab_testing.stats.judge_pairs import judge_pairs
from ab_testing.stats.judge_rates import MARGIN, VISIBLE_RATE, VISIBLE_RATIO, judge_rates
from ab_testing.stats.judge_shadow import judge_shadow
from ab_testing.stats.judge_slices import judge_slices
from ab_testing.stats.judge_split import judge_label_split, judge_split
from ab_testing.stats.moments import Moments
from ab_testing.stats.multiplicity import bonferroni
from ab_testing.stats.pairs import PairCounts
from ab_testing.stats.ratio import WORST_RATIO
from ab_testing.stats.result import TestResult
from ab_testing.stats.shift import UsualLatency
from ab_testing.stats.thompson import thompson_weights
from ecosight.errors import InvalidInput

__all__ = ["StatisticalAnalyzer"]


class StatisticalAnalyzer:
    """Answers from counts alone: stateless, deterministic, thread-safe, fit to be asked every second.

    Args:
        alpha: of promotion, the shadow and fixed-horizon tests.
        rollback_alpha: probability of ever rolling back a good candidate, over all rollback metrics together.
        rollback_metrics: how many metrics may roll back; they share ``rollback_alpha`` (Bonferroni).
        integrity_alpha: of the sample ratio and the label ratio.
    Raises: InvalidInput: an alpha is not between 0 and 1.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        rollback_alpha: float = 0.01,
        rollback_metrics: int = 1,
        integrity_alpha: float = 0.001,
    ) -> None:
        if not all(0 < each < 1 for each in (alpha, rollback_alpha, integrity_alpha)):
            raise InvalidInput(f"error rates must lie between 0 and 1: {alpha}, {rollback_alpha}, {integrity_alpha}")
        self.alpha = alpha
        self.rollback_alpha = bonferroni(rollback_alpha, rollback_metrics)
        self.integrity_alpha = integrity_alpha

    def compare_rates(
        self,
        counts: ArmCounts,
        *,
        name: str = "errors",
        margin: float = MARGIN,
        min_ratio: float = 1.25,
        visible_ratio: float = VISIBLE_RATIO,
        visible_rate: float = VISIBLE_RATE,
        worst_ratio: float = WORST_RATIO,
        units_per_s: float | None = None,
        share: float | None = None,
    ) -> TestResult:
        """Roll back for errors, crashes or wrong answers? See ``judge_rates``."""
        return judge_rates(
            counts,
            name=name,
            margin=margin,
            alpha=self.rollback_alpha,
            min_ratio=min_ratio,
            visible_ratio=visible_ratio,
            visible_rate=visible_rate,
            worst_ratio=worst_ratio,
            units_per_s=units_per_s,
            share=share,
        )

    def compare_latency(
        self,
        counts: ArmCounts,
        control: LatencyHistogram,
        candidate: LatencyHistogram,
        *,
        first_answers: ArmLatencies | None = None,
        usual: UsualLatency | None = None,
        q: float = 0.99,
        margin: float = MARGIN,
        min_ratio: float = 1.2,
        visible_ratio: float = VISIBLE_RATIO,
        visible_rate: float = VISIBLE_RATE,
        units_per_s: float | None = None,
        share: float | None = None,
    ) -> TestResult:
        """Roll back for slow answers? ``counts`` are of answers above the frozen threshold. See ``judge_latency``."""
        return judge_latency(
            counts,
            control,
            candidate,
            first_answers=first_answers,
            usual=usual,
            q=q,
            margin=margin,
            alpha=self.rollback_alpha,
            min_ratio=min_ratio,
            visible_ratio=visible_ratio,
            visible_rate=visible_rate,
            units_per_s=units_per_s,
            share=share,
        )

    def compare_means(
        self, control: Moments, candidate: Moments, *, name: str = "mean", higher_is_better: bool = True
    ) -> TestResult:
        """Difference of means with the interval to show, at any time. See ``judge_means``."""
        return judge_means(control, candidate, name=name, alpha=self.alpha, higher_is_better=higher_is_better)

    def sample_ratio(self, counts: AssignmentCounts, *, units_per_s: float | None = None) -> TestResult:
        """Do units fall on the arms as the weights say? See ``judge_split``."""
        return judge_split(counts, alpha=self.integrity_alpha, units_per_s=units_per_s)

    def label_ratio(self, labels: ArmCounts, *, labels_per_s: float | None = None) -> TestResult:
        """Do labels come alike in both arms? Bad units are those with a label. See ``judge_label_split``."""
        return judge_label_split(labels, alpha=self.integrity_alpha, labels_per_s=labels_per_s)

    def shadow(self, pairs: PairCounts, *, labels_per_s: float | None = None) -> TestResult:
        """Which model is right where they disagree, and how many labels are still needed? See ``judge_shadow``."""
        return judge_shadow(pairs, alpha=self.alpha, labels_per_s=labels_per_s)

    def non_inferiority(
        self,
        evidence: PairCounts | ArmCounts,
        *,
        margin: float = 0.01,
        candidate_pending: int = 0,
        per_s: float | None = None,
    ) -> TestResult:
        """Promote? Accuracy is shown not to be lower by more than ``margin``.

        Args:
            evidence: pairs (``judge_pairs``), or labelled units and wrong answers of both arms (``judge_arms``).
            candidate_pending: for arms only: units that wait for a label they will get.
            per_s: pairs or labels a second at present.
        """
        if isinstance(evidence, PairCounts):
            return judge_pairs(evidence, margin=margin, alpha=self.alpha, pairs_per_s=per_s)
        return judge_arms(
            evidence, margin=margin, candidate_pending=candidate_pending, alpha=self.alpha, labels_per_s=per_s
        )

    def ratio_non_inferiority(
        self, counts: ArmCounts, *, margin: float = 0.1, labels_per_s: float | None = None
    ) -> TestResult:
        """Promote? Wrong answers are shown not to be 1 + ``margin`` times as frequent. See ``judge_arms_ratio``."""
        return judge_arms_ratio(counts, margin=margin, alpha=self.alpha, labels_per_s=labels_per_s)

    def fixed_horizon(
        self,
        evidence: FixedEvidence,
        *,
        planned_n: int,
        higher_is_better: bool = True,
        statistic: str = "mean",
        seed: int = 0,
        per_s: float | None = None,
    ) -> TestResult:
        """One look at a planned end; refuses to conclude before. The evidence decides the test: ``judge_fixed``."""
        return judge_fixed(
            evidence,
            planned_n=planned_n,
            alpha=self.alpha,
            higher_is_better=higher_is_better,
            statistic=statistic,
            seed=seed,
            per_s=per_s,
        )

    def group_sequential(
        self,
        control: Moments,
        candidate: Moments,
        looks: Sequence[int],
        *,
        max_n: int,
        higher_is_better: bool = True,
        units_per_s: float | None = None,
    ) -> TestResult:
        """A few looks before a known end. See ``judge_group_sequential``."""
        return judge_group_sequential(
            control,
            candidate,
            looks,
            max_n=max_n,
            alpha=self.alpha,
            higher_is_better=higher_is_better,
            units_per_s=units_per_s,
        )

    def slices(
        self,
        slices: Mapping[str, ArmCounts],
        *,
        name: str = "errors",
        margin: float = MARGIN,
        correction: Literal["e-bh", "bonferroni"] = "e-bh",
    ) -> dict[str, TestResult]:
        """The view by slice, corrected for their number. See ``judge_slices``."""
        return judge_slices(slices, name=name, margin=margin, alpha=self.alpha, correction=correction)

    def memory(self, candidate: MemorySeries, control: MemorySeries, *, shared_process: bool = False) -> TestResult:
        """Does the candidate leak? See ``judge_memory``."""
        return judge_memory(candidate, control, shared_process=shared_process)

    def next_weights(self, right: Sequence[int], wrong: Sequence[int], *, seed: int, stage: int) -> tuple[int, ...]:
        """Router buckets of the stage that begins, by Thompson sampling. See ``thompson_weights``."""
        return thompson_weights(right, wrong, seed=seed, stage=stage)
