"""The table "Numbers to hit" of STATISTICS.md, by seeded simulation.

Thousands of runs are followed by the public functions on arrays; some runs of each are then replayed look by look
through ``StatisticalAnalyzer``, which must say the same. Studies of more than some seconds have a small version with
room for chance, and the whole one with the numbers as they stand in the table, marked slow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from ab_testing.stats import (
    ArmCounts,
    AssignmentCounts,
    LatencyHistogram,
    Moments,
    PairCounts,
    StatisticalAnalyzer,
    Verdict,
)
from ab_testing.stats.asymptotic import difference_half_width
from ab_testing.stats.betting import paired_log_e_not_worse
from ab_testing.stats.conditional import log_e_share, log_e_shares
from ab_testing.stats.fixed_horizon import pooled_z
from ab_testing.stats.quantiles import freeze_threshold_ms
from ab_testing.stats.ratio import log_e_worse, rate_ratio, soft_trip
from ecosight.seeds import generator

Floats = NDArray[np.float64]
Cross = Callable[..., Floats]
ALL = 2000
FEW = 300
RUNS = pytest.mark.parametrize("runs", [FEW, pytest.param(ALL, marks=pytest.mark.slow)])
ANALYZER = StatisticalAnalyzer()


def share_within(share: float, limit: float, runs: int) -> None:
    """At most ``limit`` of all runs; of a few runs, as many as chance may add."""
    room = 0.0 if runs == ALL else 3.5 * math.sqrt(limit * (1 - limit) / runs)
    assert share <= limit + room


def median_within(times: Floats, limit: float) -> None:
    room = 1.0 if len(times) == ALL else 1.25
    assert np.median(times) <= limit * room


class Accuracy:
    """Two arms of labelled units at one half each: a look every 50 units of each arm, 5,000 of each at the end."""

    looks = np.arange(50, 5001, 50)

    def __init__(self, name: str, control: float, candidate: float) -> None:
        rng = generator(1, name)
        ours = rng.binomial(100, 0.5, (ALL, 100))
        self.n1, self.n0 = ours.cumsum(axis=1), (100 - ours).cumsum(axis=1)
        self.wrong1 = rng.binomial(ours, 1 - candidate).cumsum(axis=1)
        self.wrong0 = rng.binomial(100 - ours, 1 - control).cumsum(axis=1)

    def e_test(self) -> Floats:
        return log_e_share(self.wrong1, self.wrong0, 0.5)

    def z(self) -> Floats:
        return pooled_z(self.wrong0, self.n0, self.wrong1, self.n1)

    def beyond_interval(self) -> Floats:
        """How far 0 lies outside the confidence sequence; nothing is shown below 100 units of an arm."""
        p0, p1 = self.wrong0 / self.n0, self.wrong1 / self.n1
        # The unbiased variance, as Moments has it.
        v0, v1 = p0 * (1 - p0) * self.n0 / (self.n0 - 1), p1 * (1 - p1) * self.n1 / (self.n1 - 1)
        beyond: Floats = np.abs(p1 - p0) - difference_half_width(self.n0, v0, self.n1, v1)
        return np.where(np.minimum(self.n0, self.n1) >= 100, beyond, -np.inf)

    def replay_intervals(self, first: Floats, runs: range) -> None:
        for run in runs:
            for i, look in enumerate(self.looks):
                told = ANALYZER.compare_means(
                    Moments.of_share(int(self.n0[run, i] - self.wrong0[run, i]), int(self.n0[run, i])),
                    Moments.of_share(int(self.n1[run, i] - self.wrong1[run, i]), int(self.n1[run, i])),
                )
                if look >= first[run]:
                    assert told.verdict in (Verdict.PASSED, Verdict.BREACH)
                    break
                assert told.verdict is Verdict.INSUFFICIENT


def test_equal_accuracy_is_told_apart_in_at_most_6_of_100_rollouts_and_the_naive_test_fails(
    first_crossing: Cross,
) -> None:
    alike = Accuracy("accuracy alike", 0.90, 0.90)
    e_test = first_crossing(alike.e_test(), math.log(20), alike.looks)
    interval = first_crossing(alike.beyond_interval(), 0.0, alike.looks)
    naive = first_crossing(np.abs(alike.z()), 1.96, alike.looks)
    at_the_end = (np.abs(alike.z()[:, -1]) > 1.96).mean()
    assert np.isfinite(e_test).mean() <= 0.065
    assert np.isfinite(interval).mean() <= 0.065
    assert np.isfinite(naive).mean() >= 0.30
    assert at_the_end <= 0.065
    alike.replay_intervals(interval, range(5))


def test_three_points_of_accuracy_are_found_within_two_thousand_units_of_each_arm(first_crossing: Cross) -> None:
    worse = Accuracy("accuracy worse", 0.90, 0.87)
    interval = first_crossing(worse.beyond_interval(), 0.0, worse.looks)
    assert np.isfinite(interval).mean() >= 0.95
    assert np.median(interval) <= 2000
    worse.replay_intervals(interval, range(5))
    # The exact test uses wrong answers only. It comes close to these numbers, and does not reach them (.947 and 2,050
    # in 10,000 runs).
    e_test = first_crossing(worse.e_test(), math.log(20), worse.looks)
    assert np.isfinite(e_test).mean() >= 0.93
    assert np.median(e_test) <= 2200


def test_the_shadow_finds_three_points_within_some_850_pairs(first_crossing: Cross) -> None:
    looks = np.arange(50, 5001, 50)
    for name, lose, win, rejects in (("shadow worse", 0.06, 0.03, True), ("shadow alike", 0.04, 0.04, False)):
        drawn = generator(1, name).multinomial(50, [win, lose, 1 - win - lose], (ALL, 100)).cumsum(axis=1)
        found = first_crossing(log_e_share(drawn[..., 0], drawn[..., 1], 0.5, concentration=20), math.log(20), looks)
        if rejects:
            assert np.isfinite(found).mean() >= 0.95
            assert np.median(found) <= 900
        else:
            assert np.isfinite(found).mean() <= 0.05
        for run in range(5):
            for i, look in enumerate(looks):
                won, lost, same = map(int, drawn[run, i])
                told = ANALYZER.shadow(PairCounts(agreed=same, candidate_right=won, control_right=lost))
                assert told.decided is bool(look >= found[run])
                if told.decided:
                    break


class Canary:
    """50 units a second, a tenth to the candidate, a look every second."""

    rps, share = 50, 0.1

    def __init__(self, name: str, runs: int, seconds: int, control: Any, candidate: Any) -> None:
        rng = generator(2, name)
        ours = rng.binomial(self.rps, self.share, (runs, seconds))
        self.looks = np.arange(1, seconds + 1)
        self.n1, self.n0 = ours.cumsum(axis=1), (self.rps - ours).cumsum(axis=1)
        self.bad1 = rng.binomial(ours, candidate).cumsum(axis=1)
        self.bad0 = rng.binomial(self.rps - ours, control).cumsum(axis=1)

    def counts(self, run: int, look: int) -> ArmCounts:
        i = look - 1
        return ArmCounts.at(
            self.share,
            control=(int(self.n0[run, i]), int(self.bad0[run, i])),
            candidate=(int(self.n1[run, i]), int(self.bad1[run, i])),
        )

    def log_e(self, in_chunks: Cross, *, worst_ratio: float = 200.0) -> Floats:
        return in_chunks(
            lambda a, b: log_e_worse(a, b, (self.share,), margin=0.25, worst_ratio=worst_ratio),
            self.bad0[..., None],
            self.bad1[..., None],
        )

    def tripped(self, in_chunks: Cross) -> Floats:
        """1 where the whole rule rolls back: evidence, ratio and number of bad units."""
        ratio = rate_ratio(self.bad0[..., None], self.bad1[..., None], (self.share,))
        return soft_trip(self.log_e(in_chunks), ratio, self.bad1).astype(np.float64)


@pytest.mark.parametrize("rate", [0.005, 0.00625], ids=["alike", "at the margin"])
@RUNS
def test_a_good_canary_is_rolled_back_in_at_most_one_of_a_hundred(in_chunks: Cross, runs: int, rate: float) -> None:
    canary = Canary(f"canary {rate}", runs, 1800, 0.005, rate)
    share_within((canary.log_e(in_chunks) >= math.log(100)).any(axis=1).mean(), 0.01, runs)
    tripped = canary.tripped(in_chunks)
    share_within(tripped.any(axis=1).mean(), 0.01, runs)
    for run in range(3):
        for look in range(10, 1801, 10):
            told = ANALYZER.compare_rates(canary.counts(run, look))
            assert (told.verdict is Verdict.BREACH) is bool(tripped[run, look - 1])


@pytest.mark.parametrize(("rate", "seconds", "within"), [(0.02, 900, 140), (0.05, 300, 25), (0.5, 60, 3)])
def test_a_bad_canary_is_rolled_back_within(
    first_crossing: Cross, in_chunks: Cross, rate: float, seconds: int, within: float
) -> None:
    canary = Canary(f"canary {rate}", ALL, seconds, 0.005, rate)
    found = first_crossing(canary.tripped(in_chunks), 1.0, canary.looks)
    assert np.isfinite(found).mean() >= 0.99
    assert np.median(found) <= within
    for run in range(5):
        for look in range(1, int(found[run]) + 1):
            told = ANALYZER.compare_rates(canary.counts(run, look))
            assert (told.verdict is Verdict.BREACH) is bool(look == found[run])


class Latency(Canary):
    """Lognormal latencies (σ = .5). Each run freezes the control's 99th percentile over five minutes of its own."""

    def __init__(self, factor: float, runs: int, seconds: int) -> None:
        rng = generator(3, "threshold", str(factor))
        threshold = np.array(
            [freeze_threshold_ms(LatencyHistogram.of(rng.lognormal(3, 0.5, 50 * 300))) for _ in range(runs)]
        )
        usual, slow = (ndtr((3 + math.log(f) - np.log(threshold)) / 0.5)[:, None] for f in (1.0, factor))
        super().__init__(f"latency {factor}", runs, seconds, usual, slow)


@RUNS
@pytest.mark.parametrize(("factor", "seconds", "within"), [(1.2, 1200, 300), (1.5, 300, 30), (2.0, 60, 6)])
def test_a_slower_99th_percentile_is_found_within(
    first_crossing: Cross, in_chunks: Cross, runs: int, factor: float, seconds: int, within: float
) -> None:
    latency = Latency(factor, runs, seconds)
    found = first_crossing(latency.log_e(in_chunks, worst_ratio=100.0), math.log(100), latency.looks)
    assert np.isfinite(found).mean() >= 0.98
    median_within(found, within)


@RUNS
def test_latencies_that_are_alike_are_rolled_back_in_at_most_one_of_a_hundred(in_chunks: Cross, runs: int) -> None:
    latency = Latency(1.0, runs, 1800)
    share_within((latency.log_e(in_chunks, worst_ratio=100.0) >= math.log(100)).any(axis=1).mean(), 0.01, runs)


def test_slow_answers_trip_the_whole_rule_through_the_classes() -> None:
    """Single latencies, histograms and first slow answers: twice as slow trips within some seconds, alike never."""
    taken = []
    for run in range(30):
        rng = generator(3, "requests", run)
        threshold = freeze_threshold_ms(LatencyHistogram.of(rng.lognormal(3, 0.5, 15_000)))
        for factor in (1.0, 2.0):
            control, candidate, counts = LatencyHistogram(), LatencyHistogram(), ArmCounts()
            for second in range(1, 61):
                ours = rng.random(50) < 0.1
                values = rng.lognormal(3, 0.5, 50) * np.where(ours, factor, 1.0)
                control += LatencyHistogram.of(values[~ours])
                candidate += LatencyHistogram.of(values[ours])
                slow = values > threshold
                counts += ArmCounts.at(
                    0.1,
                    control=(int((~ours).sum()), int((slow & ~ours).sum())),
                    candidate=(int(ours.sum()), int((slow & ours).sum())),
                )
                if ANALYZER.compare_latency(counts, control, candidate).verdict is Verdict.BREACH:
                    assert factor == 2.0
                    taken.append(second)
                    break
    assert len(taken) == 30
    assert np.median(taken) <= 8


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_right_split_is_called_wrong_in_at_most_two_of_a_thousand(in_chunks: Cross, share: float) -> None:
    """100,000 units, a look every 50."""
    weights = (1 - share, share)
    ours = generator(4, "split", str(share)).binomial(50, share, (ALL, 2000)).cumsum(axis=1)
    n = np.arange(1, 2001) * 50
    log_e = in_chunks(lambda k: log_e_shares(np.stack([n - k, k], axis=-1), weights), ours)
    assert (log_e >= math.log(1000)).any(axis=1).mean() <= 0.002
    naive = (ours - n * share) ** 2 / (n * share * (1 - share))
    assert (naive > 10.83).any(axis=1).mean() > 0.01  # chi-square at .001, peeked
    for i in range(0, 2000, 100):
        told = ANALYZER.sample_ratio(AssignmentCounts.at(weights, (int(n[i] - ours[0, i]), int(ours[0, i]))))
        assert told.log_e == pytest.approx(float(log_e[0, i]))


def test_a_split_that_is_off_by_a_tenth_is_found_within_20_000_units(in_chunks: Cross, first_crossing: Cross) -> None:
    ours = generator(4, "split", "off").binomial(50, 0.11, (500, 2000)).cumsum(axis=1)
    n = np.arange(1, 2001) * 50
    log_e = in_chunks(lambda k: log_e_shares(np.stack([n - k, k], axis=-1), (0.9, 0.1)), ours)
    found = first_crossing(log_e, math.log(1000), n)
    assert np.isfinite(found).all()
    assert np.median(found) <= 20_000


def test_a_ramp_with_a_drifting_base_rate_is_no_difference_unless_stages_are_pooled(in_chunks: Cross) -> None:
    """1% to 50% while the base rate grows from .5% to 4%, arms alike, 40 looks a stage."""
    rng, shares = generator(5, "ramp"), (0.01, 0.05, 0.25, 0.5)
    n0, n1, bad0, bad1 = np.zeros((4, ALL, 160, 4))
    for look in range(160):
        stage = look // 40
        rate = (0.005, 0.01, 0.02, 0.04)[stage]
        ours = rng.binomial(500, shares[stage], ALL)
        n1[:, look, stage], n0[:, look, stage] = ours, 500 - ours
        bad1[:, look, stage], bad0[:, look, stage] = rng.binomial(ours, rate), rng.binomial(500 - ours, rate)
    n0, n1, bad0, bad1 = (each.cumsum(axis=1) for each in (n0, n1, bad0, bad1))
    for margin in (0.0, 0.25):
        log_e = in_chunks(lambda a, b, m=margin: log_e_worse(a, b, shares, margin=m), bad0, bad1)
        assert (log_e >= math.log(20)).any(axis=1).mean() <= 0.05
    pooled = pooled_z(bad0.sum(axis=2), n0.sum(axis=2), bad1.sum(axis=2), np.maximum(n1.sum(axis=2), 1))
    assert (pooled[:, -1] > 1.645).mean() >= 0.99
    for run in range(20):
        for look in range(0, 160, 20):
            counts = ArmCounts.total(
                ArmCounts.at(
                    share,
                    control=(int(n0[run, look, s]), int(bad0[run, look, s])),
                    candidate=(int(n1[run, look, s]), int(bad1[run, look, s])),
                )
                for s, share in enumerate(shares)
            )
            told = ANALYZER.compare_rates(counts)
            assert told.log_e == pytest.approx(float(log_e[run, look]))


@RUNS
def test_heavy_tailed_keys_are_no_difference_unless_requests_are_counted(runs: int) -> None:
    """4,000 keys with up to 300 requests (Zipf) and error rates of their own; arms alike, a look after every key."""
    first, one_sided, requests = 0, 0, 0
    for run in range(runs):
        rng = generator(6, "keys", run)
        errors = rng.binomial(np.minimum(rng.zipf(1.8, 4000), 300), rng.beta(0.2, 1.8, 4000))
        ours = rng.random(4000) < 0.5
        bad0, bad1 = np.cumsum((errors > 0) & ~ours), np.cumsum((errors > 0) & ours)
        first += bool(log_e_share(bad1, bad0, 0.5).max() >= math.log(20))
        one_sided += bool(log_e_worse(bad0[:, None], bad1[:, None], (0.5,), margin=0).max() >= math.log(20))
        naive = log_e_share(np.cumsum(errors * ours), np.cumsum(errors * ~ours), 0.5)
        requests += bool(naive.max() >= math.log(20))
    share_within(first / runs, 0.05, runs)
    share_within(one_sided / runs, 0.05, runs)
    assert requests / runs >= 0.9


def test_promotion_at_the_margin_passes_in_at_most_one_of_twenty_and_equal_models_pass_within_6_500_pairs(
    first_crossing: Cross, in_chunks: Cross
) -> None:
    """8% of pairs discordant, margin one point, a look every 100 pairs up to 20,000."""
    looks = np.arange(100, 20_001, 100)
    for name, lose, win in (("at the margin", 0.045, 0.035), ("equal", 0.04, 0.04)):
        drawn = generator(7, name).multinomial(100, [lose, 1 - lose - win, win], (ALL, 200)).cumsum(axis=1)
        log_e = in_chunks(lambda d: paired_log_e_not_worse(d[..., 0], d[..., 1], d[..., 2], margin=0.01), drawn)
        found = first_crossing(log_e, math.log(20), looks)
        if name == "equal":
            assert np.median(found) <= 6500
        else:
            assert np.isfinite(found).mean() <= 0.05
        for run in range(5):
            for i, look in enumerate(looks):
                lost, same, won = map(int, drawn[run, i])
                pairs = PairCounts(agreed=same, candidate_right=won, control_right=lost)
                passed = ANALYZER.non_inferiority(pairs, margin=0.01).verdict is Verdict.PASSED
                assert passed is bool(look == found[run]) or look > found[run]
                if passed:
                    break
