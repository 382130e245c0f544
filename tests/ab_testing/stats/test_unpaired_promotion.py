"""Which procedure may promote when each unit saw one arm: what is valid, and what looks alike and is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ab_testing.stats.betting import arms_log_e_not_worse, paired_log_e_not_worse
from ab_testing.stats.ratio import log_e_not_worse
from ecosight.seeds import generator

Floats = NDArray[np.float64]
Rate = Callable[[float], float]
RUNS, LOOKS, STEP = 1000, 300, 200
PASS = float(np.log(20))


def drifting(progress: float) -> float:
    """A base rate of wrong answers that grows from 5% to 20%."""
    return 0.05 + 0.15 * progress


def simulate(
    name: str, control: Rate, candidate: Rate, ramp: list[float]
) -> tuple[Floats, Floats, Floats, tuple[float, ...]]:
    """Right, the control's wrong and the candidate's wrong labels at every look: (runs, looks, stages)."""
    rng, shares = generator(50, name), tuple(sorted(set(ramp)))
    counts = np.zeros((3, RUNS, LOOKS, len(shares)))
    for look in range(LOOKS):
        share, progress = ramp[look * len(ramp) // LOOKS], look / LOOKS
        ours = rng.binomial(STEP, share, RUNS)
        bad, usual_bad = rng.binomial(ours, candidate(progress)), rng.binomial(STEP - ours, control(progress))
        counts[:, :, look, shares.index(share)] = STEP - bad - usual_bad, usual_bad, bad
    right, theirs, wrong = counts.cumsum(axis=2)
    return right, theirs, wrong, shares


RAMPS = pytest.mark.parametrize(
    ("ramp", "base"),
    [
        ([0.5], lambda p: 0.1),
        ([0.1], lambda p: 0.1),
        ([0.5], drifting),
        ([0.1], drifting),
        ([0.05, 0.1, 0.25, 0.5], drifting),
    ],
    ids=["half", "tenth", "half, drifting", "tenth, drifting", "ramp, drifting"],
)


@RAMPS
def test_a_candidate_worse_by_the_margin_of_accuracy_passes_with_probability_alpha_at_most(
    in_chunks: Callable[..., Floats], ramp: list[float], base: Rate
) -> None:
    right, theirs, ours, shares = simulate("difference", base, lambda p: base(p) + 0.01, ramp)
    log_e = in_chunks(lambda r, a, b: arms_log_e_not_worse(r, a, b, shares, margin=0.01), right, theirs, ours)
    assert (log_e >= PASS).any(axis=1).mean() <= 0.05


@RAMPS
def test_a_candidate_worse_by_the_margin_of_the_ratio_passes_with_probability_alpha_at_most(
    in_chunks: Callable[..., Floats], ramp: list[float], base: Rate
) -> None:
    _, theirs, ours, shares = simulate("ratio", base, lambda p: base(p) * 1.1, ramp)
    log_e = in_chunks(lambda a, b: log_e_not_worse(a, b, shares, margin=0.1), theirs, ours)
    assert (log_e >= PASS).any(axis=1).mean() <= 0.05


def test_equal_models_pass_within_some_tens_of_thousands_of_labels(
    in_chunks: Callable[..., Floats], first_crossing: Callable[..., Floats]
) -> None:
    rng = generator(50, "equal")
    ours = rng.binomial(500, 0.5, (RUNS, 300))
    bad, usual_bad = rng.binomial(ours, 0.1), rng.binomial(500 - ours, 0.1)
    counts = [np.cumsum(each, axis=1)[..., None] for each in (500 - bad - usual_bad, usual_bad, bad)]
    looks = np.arange(1, 301) * 500
    difference = in_chunks(lambda r, a, b: arms_log_e_not_worse(r, a, b, (0.5,), margin=0.01), *counts)
    ratio = in_chunks(lambda r, a, b: log_e_not_worse(a, b, (0.5,), margin=0.1), *counts)
    assert np.median(first_crossing(difference, PASS, looks)) <= 33_000
    assert np.median(first_crossing(ratio, PASS, looks)) <= 40_000


def test_matching_answers_by_their_order_of_arrival_passes_a_bad_candidate_where_weighting_does_not() -> None:
    """A base rate that falls, a tenth of units for the candidate: its i-th answer comes long after the control's."""
    rng, n, matched, weighted = generator(50, "arrival"), 40_000, 0, 0
    looks = np.arange(99, n, 100)
    for _ in range(100):
        ours = rng.random(n) < 0.1
        wrong = rng.random(n) < 0.25 - 0.2 * np.arange(n) / n + 0.01 * ours
        pairs = min(ours.sum(), n - ours.sum())
        d = wrong[~ours][:pairs].astype(int) - wrong[ours][:pairs]
        each = [np.cumsum(d == value)[99::100] for value in (-1, 0, 1)]
        matched += bool((paired_log_e_not_worse(*each, margin=0.01) >= PASS).any())
        right, theirs, bad = (np.cumsum(kind)[looks][:, None] for kind in (~wrong, wrong & ~ours, wrong & ours))
        weighted += bool((arms_log_e_not_worse(right, theirs, bad, (0.1,), margin=0.01) >= PASS).any())
    assert matched / 100 >= 0.9
    assert weighted / 100 <= 0.05


def delayed(rng: np.random.Generator, kinds: list[Any], delays: Any, looks: Any) -> list[Any]:
    """How many of each kind are told by each look."""
    told = np.arange(len(delays)) + delays
    return [np.searchsorted(np.sort(told[kind]), looks, side="right") for kind in kinds]


def test_labels_of_wrong_answers_that_come_later_pass_nothing_that_is_counted_rightly() -> None:
    """The candidate is worse by three points. Right answers are confirmed at once, wrong ones 3,000 units later."""
    rng, n, naive, pending_counted, ratio = generator(50, "delay"), 20_000, 0, 0, 0
    looks = np.arange(200, n + 1, 200)
    for _ in range(100):
        ours = rng.random(n) < 0.5
        wrong = rng.random(n) < np.where(ours, 0.13, 0.10)
        kinds = [~wrong, wrong & ~ours, wrong & ours, ours]
        counts = delayed(rng, kinds, np.where(wrong, 3000, 0), looks)
        right, theirs, bad, labelled = (each[:, None] for each in counts)
        pending = np.searchsorted(np.flatnonzero(ours), looks)[:, None] - labelled
        naive += bool((arms_log_e_not_worse(right, theirs, bad, (0.5,)) >= PASS).any())
        pending_counted += bool((arms_log_e_not_worse(right, theirs, bad + pending, (0.5,)) >= PASS).any())
        ratio += bool((log_e_not_worse(theirs, bad, (0.5,)) >= PASS).any())
    assert naive / 100 >= 0.9
    assert pending_counted / 100 <= 0.05
    assert ratio / 100 <= 0.05


def test_agreement_must_not_run_ahead_of_the_labels_of_disagreements() -> None:
    """Paired, the candidate is worse by two points; a disagreement is labelled 2,000 pairs later."""
    rng, n, naive, as_lost = generator(50, "pairs"), 20_000, 0, 0
    looks = np.arange(200, n + 1, 200)
    for _ in range(100):
        d = rng.choice([-1, 0, 1], n, p=[0.055, 0.91, 0.035])
        counts = delayed(rng, [d == -1, d == 0, d == 1, d != 0], np.where(d != 0, 2000, 0), looks)
        minus, zero, plus, labelled = counts
        pending = np.searchsorted(np.flatnonzero(d != 0), looks) - labelled
        naive += bool((paired_log_e_not_worse(minus, zero, plus) >= PASS).any())
        as_lost += bool((paired_log_e_not_worse(minus + pending, zero, plus) >= PASS).any())
    assert naive / 100 >= 0.9
    assert as_lost / 100 <= 0.05
