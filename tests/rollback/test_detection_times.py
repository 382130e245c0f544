"""How soon harm is found, and how seldom good models are taken back, by ``check_health`` itself: all triggers together.

50 clients a second: a tenth to the candidate, as many to the control beside it, the others to the champion; .5% of the
clients meet a failure, a tenth of the labelled answers are wrong; a look every second. Errors and wrong answers are
compared with champion and control (a share of .1), latencies with the control only (a share of one half), as
``EvidenceFold`` does it.

``check_health`` takes a millisecond or two, so thousands of rollouts are followed on arrays by the functions that it
rests on. It is then asked itself at the moments that matter: where they say that it trips, and before; in rollouts
without a trip, where each trigger came nearest to one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sample_incident import make_rollout

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram, bucket_of, buckets_of
from ab_testing.stats.mixing import log_threshold
from ab_testing.stats.ratio import log_e_worse, rate_ratio
from ab_testing.stats.shift import EDGES, UsualLatency, log_e_shift, tolerated_buckets
from ecosight.seeds import generator
from rollback.late import LATE
from rollback.soft_trips import PARTS, WORST_WRONG
from rollback.triggers import check_health

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
ALL = 2000
FEW = 100
RUNS = pytest.mark.parametrize("runs", [FEW, pytest.param(ALL, marks=pytest.mark.slow)])
ALPHA = Policy().alpha_rollback
BASE, WRONG, MEDIAN_MS, SIGMA = 0.005, 0.1, 20.0, 0.5
SHARES = {"errors": 0.1, "slow": 0.5, "wrong": 0.1}
WORST = {"errors": 200.0, "slow": 100.0, "wrong": WORST_WRONG}
PART = {"errors": "errors", "wrong": "accuracy"}


class Canary:
    """Rollouts at their first step: counts at each second, (runs, seconds); latencies are drawn when they are asked."""

    def __init__(
        self,
        name: str,
        runs: int,
        seconds: int,
        *,
        failing: float = BASE,
        slower: float = 1.0,
        wrong: float = WRONG,
        labelled: float = 0.0,
    ) -> None:
        self.rng, self.name = generator(31, name), name
        self.runs, self.seconds, self.slower = runs, seconds, slower
        arms = self.rng.multinomial(50, [0.1, 0.1, 0.8], (runs, seconds))
        self.ours, self.twin, self.rest = (arms[..., i] for i in range(3))
        others = self.twin + self.rest
        told = [self.rng.binomial(units, labelled) for units in (self.ours, others)]
        units = {"errors": (self.ours, others), "wrong": (told[0], told[1])}
        hits = {
            "errors": self._hits(units["errors"], (failing, BASE)),
            "wrong": self._hits(units["wrong"], (wrong, WRONG)),
        }
        self.bad = {metric: (ours.cumsum(axis=1), theirs.cumsum(axis=1)) for metric, (ours, theirs) in hits.items()}
        self.units = {metric: (a.cumsum(axis=1), b.cumsum(axis=1)) for metric, (a, b) in units.items()}

    def log_e(self, metric: str) -> Floats:
        ours, theirs = self.bad[metric]
        return np.concatenate(
            [
                log_e_worse(
                    theirs[at : at + 100, :, None],
                    ours[at : at + 100, :, None],
                    (SHARES[metric],),
                    margin=Policy().error_margin,
                    worst_ratio=WORST[metric],
                )
                for at in range(0, self.runs, 100)
            ]
        )

    def trips(self, metric: str) -> NDArray[np.bool_]:
        """Where the rule of one metric holds: evidence, ratio and number of bad clients."""
        ours, theirs = self.bad[metric]
        ratio = rate_ratio(theirs[..., None], ours[..., None], (SHARES[metric],))
        return (
            (self.log_e(metric) >= log_threshold((1 - LATE) * PARTS[PART[metric]] * ALPHA))
            & (ours >= 5)
            & (ratio >= 1.25)
        )

    def answers(self, run: int) -> Answers:
        rng = generator(32, self.name, run)
        usual, theirs, ours = (
            np.exp(rng.normal(math.log(MEDIAN_MS * factor), SIGMA, n))
            for n, factor in ((1500, 1.0), (self.twin[run].sum(), 1.0), (self.ours[run].sum(), self.slower))
        )
        return Answers(LatencyHistogram.of(usual), (ours, self.ours[run]), (theirs, self.twin[run]))

    def found_slow(self) -> Floats:
        """The first second at which the triggers say that answers are slow: (runs,)."""
        found = np.full(self.runs, np.inf)
        for run in range(self.runs):
            answers = self.answers(run)
            for second in 1 + np.flatnonzero(answers.log_e() >= log_threshold((1 - LATE) * PARTS["latency"] * ALPHA)):
                if "latency" in names(self.look(run, int(second), answers)):
                    found[run] = second
                    break
        return found

    def look(self, run: int, second: int, answers: Answers | None = None) -> Health:
        """What the triggers say at the end of a second (1 is the first)."""
        i, answers = second - 1, answers or self.answers(run)
        counts = {
            metric: ArmCounts.at(
                SHARES[metric],
                candidate=(int(self.units[metric][0][run, i]), int(self.bad[metric][0][run, i])),
                control=(int(self.units[metric][1][run, i]), int(self.bad[metric][1][run, i])),
            )
            for metric in self.units
        }
        arms = [int(each[run, :second].sum()) for each in (self.ours, self.twin, self.rest)]
        errors, told = counts["errors"].stages[0], counts["wrong"].stages[0]
        took = answers.arms(second)
        candidate = CandidateEvidence(
            arm="candidate",
            errors=counts["errors"],
            slow=answers.slow(second),
            first_answers=ArmLatencies.at(SHARES["slow"], **took),
            wrong=counts["wrong"],
            labelled=ArmCounts.at(
                0.1,
                candidate=(errors.candidate_units, told.candidate_units),
                control=(errors.control_units, told.control_units),
            ),
            latency=took["candidate"],
            control_latency=took["control"],
            requests=arms[0],
            recent_requests=int(self.ours[run, max(0, second - 60) : second].sum()),
            recent_faults=errors.candidate_bad if second <= 60 else 0,
            answered_s_ago=0.0,
        )
        evidence = Evidence(
            rollout_id="r",
            epoch=3,
            stage=1,
            stage_age_s=float(second),
            age_s=300.0 + second,
            threshold_ms=answers.usual.p99_ms,
            median_ms=answers.usual.median_ms,
            assigned=AssignmentCounts.at((1000, 1000, 8000), tuple(arms)),
            candidates=(candidate,),
            seen_s_ago=0.1,
            servers=2,
        )
        return check_health(make_rollout(policy={}, state="running"), evidence)

    def _hits(self, units: Sequence[Counts], rates: Sequence[Any]) -> tuple[Counts, Counts]:
        ours, theirs = (self.rng.binomial(n, rate) for n, rate in zip(units, rates, strict=True))
        return ours, theirs


class Answers:
    """The latencies of one rollout, by their second."""

    def __init__(self, before: LatencyHistogram, ours: tuple[Floats, Counts], theirs: tuple[Floats, Counts]) -> None:
        self.usual = UsualLatency(median_ms=before.quantile_ms(0.5), p99_ms=before.quantile_ms(0.99))
        self._arms = {"candidate": ours, "control": theirs}

    def arms(self, second: int) -> dict[str, LatencyHistogram]:
        """What both arms took up to the end of a second."""
        return {
            arm: LatencyHistogram.of(taken[: per_second[:second].sum()])
            for arm, (taken, per_second) in self._arms.items()
        }

    def slow(self, second: int) -> ArmCounts:
        arms = self.arms(second)
        counts = {arm: (each.count, each.above(self.usual.p99_ms)) for arm, each in arms.items()}
        return ArmCounts.at(SHARES["slow"], **counts)

    def log_e(self) -> Floats:
        """The e-value of latency after each second, in one go."""
        bins, slow = {}, {}
        for arm, (taken, per_second) in self._arms.items():
            second, buckets = np.repeat(np.arange(len(per_second)), per_second), buckets_of(taken)
            counts = np.zeros((len(per_second), 1, len(EDGES) + 1))
            placed = self.usual.bins_of(
                buckets - (tolerated_buckets(Policy().latency_ratio) if arm == "candidate" else 0)
            )
            np.add.at(counts, (second, 0, placed), 1)
            bins[arm] = counts.cumsum(axis=0)
            above = buckets > bucket_of(self.usual.p99_ms)
            slow[arm] = np.bincount(second, above, len(per_second)).cumsum()[:, None]
        share, margin, worst_ratio = (SHARES["slow"],), Policy().error_margin, WORST["slow"]
        rare = log_e_worse(slow["control"], slow["candidate"], share, margin=margin, worst_ratio=worst_ratio)
        found: Floats = np.logaddexp(rare, log_e_shift(bins["control"], bins["candidate"], share)) - math.log(2)
        return found


def first(holds: NDArray[np.bool_]) -> Floats:
    """The first second at which something holds, infinite where never: (runs,)."""
    return np.where(holds.any(axis=1), holds.argmax(axis=1) + 1.0, np.inf)


def names(health: Health) -> list[str]:
    return [trip.name for trip in health.trips]


def test_the_error_rate_of_a_rollout_is_divided_and_no_more_than_that() -> None:
    assert math.fsum(PARTS.values()) == pytest.approx(1.0)


@RUNS
@pytest.mark.parametrize("failing", [BASE, 1.25 * BASE], ids=["alike", "at the margin"])
def test_a_good_model_is_taken_back_in_at_most_one_rollout_of_a_hundred(runs: int, failing: float) -> None:
    """Half an hour, all triggers but memory together (of memory see tests/ab_testing/stats/test_growth.py)."""
    canary = Canary(f"good {failing}", runs, 1800, failing=failing, labelled=0.5)
    nearest = [canary.log_e(metric).argmax(axis=1) + 1 for metric in ("errors", "wrong")]
    nearest += [np.array([canary.answers(run).log_e().argmax() + 1 for run in range(runs)])]
    failed, met = canary.bad["errors"][0][:, 60:], canary.units["errors"][0][:, 60:]
    nearest += [61 + (failed / met).argmax(axis=1), np.full(runs, 1800)]
    taken_back = sum(any(canary.look(run, int(at[run])).trips for at in nearest) for run in range(runs))
    assert taken_back / runs <= (0.01 if runs == ALL else 0.05)


@RUNS
@pytest.mark.parametrize(("failing", "seconds", "within_s"), [(0.02, 500, 140), (0.05, 120, 25), (0.5, 20, 3)])
def test_more_errors_are_found_within(runs: int, failing: float, seconds: int, within_s: float) -> None:
    canary = Canary(f"errors {failing}", runs, seconds, failing=failing)
    found = first(canary.trips("errors"))
    assert np.median(found) <= within_s * (1.0 if runs == ALL else 1.2)
    for run in range(0, runs, 20):
        if math.isfinite(found[run]):
            assert "errors" in names(canary.look(run, int(found[run])))
        for second in range(max(1, int(min(found[run], seconds)) - 3), int(min(found[run], seconds))):
            assert "errors" not in names(canary.look(run, second))


@pytest.mark.parametrize(
    ("slower", "seconds", "within_s", "runs"),
    [
        (1.2, 1800, 300, 12),
        (1.5, 250, 30, FEW),
        (2.0, 80, 6, FEW),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((1.2, 1800, 300, 200), (1.5, 250, 30, ALL), (2.0, 80, 6, ALL))
        ),
    ],
)
def test_slower_answers_are_found_within(slower: float, seconds: int, within_s: float, runs: int) -> None:
    """Every answer is slower by that factor.

    The times of the design's table, on less evidence than it assumes: it compares the tenth with all the rest. Most
    keys stay in the server's own process, where an answer takes another time, and a control with more keys than the
    candidate is not a fair one along a ramp (``split_arms``): it has 5 answers a second instead of 45, and latency has
    .22 of the error rate.
    """
    canary = Canary(f"slower {slower}", runs, seconds, slower=slower)
    found = canary.found_slow()
    print("MEDIAN", slower, runs, np.sort(found)[[runs // 5, runs // 2, 4 * runs // 5]])
    assert np.median(found) <= within_s * (1.25 if runs < 200 else 1.0)
    for run in range(0, runs, 10):
        if math.isfinite(found[run]):
            assert "latency" in names(canary.look(run, int(found[run])))
            for second in range(max(1, int(found[run]) - 3), int(found[run])):
                assert "latency" not in names(canary.look(run, second))


@RUNS
def test_ten_points_of_accuracy_are_found_within_five_minutes_where_half_of_the_answers_are_labelled(runs: int) -> None:
    canary = Canary("accuracy", runs, 900, wrong=0.2, labelled=0.5)
    found = first(canary.trips("wrong"))
    assert np.median(found) <= 300
    for run in range(0, runs, 20):
        assert "accuracy" in names(canary.look(run, int(found[run])))
        assert "accuracy" not in names(canary.look(run, int(found[run]) - 1))
