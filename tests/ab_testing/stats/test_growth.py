"""Memory growth: what is a leak, what only looks like one, and how often healthy processes are called one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ab_testing.stats import StatisticalAnalyzer, Verdict
from ab_testing.stats.growth import WARM_UP_PART, MemorySeries, bins_for, memory_growth
from ecosight.errors import InvalidInput
from ecosight.seeds import generator

Floats = NDArray[np.float64]
EVERY_S = 2.0


def remembering(rng: np.random.Generator, runs: int, n: int, memory_min: Any, every_s: float) -> Floats:
    """AR(1) noise of standard deviation 1: (runs, n)."""
    keep = np.exp(-every_s / 60 / np.broadcast_to(memory_min, (runs,)))
    noise = rng.normal(0, 1, (runs, n))
    for i in range(1, n):
        noise[:, i] = keep * noise[:, i - 1] + np.sqrt(1 - keep**2) * noise[:, i]
    return noise


def restless(
    rng: np.random.Generator, runs: int, minutes: float, *, after_min: float = 10.0, every_s: float = EVERY_S
) -> Floats:
    """Healthy processes of the worst kind, MB: (runs, n).

    Warm-ups of up to 250 MB that level off, and a cache that is filled gradually, both over within three tenths of
    ``after_min``; up to three pools of 10 to 60 MB that an allocator takes and gives back every 2 to 20 minutes; a
    cache of up to 150 MB at once; noise of up to 10 MB that remembers up to five minutes.
    """
    t, scale = np.arange(round(minutes * 60 / every_s)) * every_s / 60, after_min / 10

    def each(low: float, high: float) -> Floats:
        return rng.uniform(low, high, (runs, 1))

    rss = 900 + each(0, 250) * (1 - np.exp(-t / (scale * each(0.2, 3))))
    rss += each(1, 10) * remembering(rng, runs, len(t), rng.uniform(0.2, 5, runs), every_s)
    rss += 0.5 * rng.normal(0, 1, rss.shape)
    for _ in range(3):
        flips = rng.random(rss.shape) < every_s / 60 / each(2, 20)
        taken = (flips.cumsum(axis=1) + rng.integers(0, 2, (runs, 1))) % 2
        rss += (each(0, 1) < 0.6) * each(10, 60) * taken
    rss += each(20, 150) * (t >= each(0, 60))
    rss += each(0, 100) * np.clip((t - each(0, 60)) / (scale * each(0.1, 3)), 0, 1)
    return rss


def calm(
    rng: np.random.Generator, runs: int, minutes: float, *, warm_mb: float = 60.0, every_s: float = EVERY_S
) -> Floats:
    """A process that levels off within some minutes, and noise that resembles itself."""
    n = round(minutes * 60 / every_s)
    t = np.arange(n) * every_s / 60
    return 900 + warm_mb * (1 - np.exp(-t / 3)) + 2 * remembering(rng, runs, n, 1.5, every_s)


def times(n: int, every_s: float = EVERY_S) -> Floats:
    return np.arange(n) * every_s / 60


def as_series(t: Floats, rss: Floats) -> MemorySeries:
    return np.column_stack([t, rss]).tolist()  # type: ignore[no-any-return]


def first_leaks(
    ours: Floats,
    theirs: Floats,
    looks: Floats,
    *,
    after_min: float = 10.0,
    every_s: float = EVERY_S,
    alpha: float = 0.001,
) -> Floats:
    """The minute at which each pair is first called a leak, infinite where never: (runs,).

    The rule of rises is worked out for all runs at once; where it holds, ``memory_growth`` itself is asked.
    """
    t, bins, first = times(ours.shape[1], every_s), bins_for(alpha), np.full(len(ours), np.inf)
    for look in looks:
        n = int(np.searchsorted(t, look, side="right"))
        edges = np.linspace(WARM_UP_PART * t[n - 1], t[n - 1], bins + 1)
        starts = [*np.searchsorted(t, edges[:-1]), n]
        waiting = np.flatnonzero(np.isinf(first))
        apart = np.stack(
            [
                np.median(ours[waiting, a:b], axis=1) - np.median(theirs[waiting, a:b], axis=1)
                for a, b in pairwise(starts)
            ],
            axis=1,
        )
        rises = (np.diff(apart, axis=1) > 2.0 * (edges[1] - edges[0])).sum(axis=1)
        for run in waiting[rises >= bins - 2]:
            pair = as_series(t[:n], ours[run, :n]), as_series(t[:n], theirs[run, :n])
            if memory_growth(*pair, after_min=after_min, alpha=alpha).leaks:
                first[run] = t[n - 1]
    return first


def lives(
    rng: np.random.Generator, runs: int, *, after_min: float, every_s: float
) -> Iterator[tuple[Floats, Floats, slice]]:
    """An hour of healthy pairs: half of them whole, and half with one process that dies and warms up anew."""

    def process(runs: int, minutes: float) -> Floats:
        return restless(rng, runs, minutes, after_min=after_min, every_s=every_s)

    whole = runs // 2
    yield process(whole, 60), process(whole, 60), slice(0, whole)
    quarter = (runs - whole) // 4
    for i, minute in enumerate((12, 20, 30, 45)):
        who = slice(whole + i * quarter, whole + (i + 1) * quarter)
        old, n = process(quarter, 60), round(minute * 60 / every_s)
        yield process(quarter, minute), old[:, :n], who
        new = process(quarter, 60 - minute)
        yield (new, old[:, n:], who) if i % 2 else (old[:, n:], new, who)


@pytest.mark.parametrize(("after_min", "every_s", "most"), [(10.0, 2.0, 0.001), (1.0, 1.0, 0.005)])
@pytest.mark.parametrize(("runs", "look_s"), [pytest.param(160, 30.0), pytest.param(2000, 4.0, marks=pytest.mark.slow)])
def test_healthy_processes_of_the_worst_kind_are_hardly_ever_called_a_leak(
    runs: int, look_s: float, after_min: float, every_s: float, most: float
) -> None:
    """Looked at for an hour, half of them with a restart."""
    called = np.zeros(runs, dtype=np.bool_)
    rng = generator(21, "restless", str(after_min))
    for ours, theirs, who in lives(rng, runs, after_min=after_min, every_s=every_s):
        minutes = ours.shape[1] * every_s / 60
        looks = np.arange(after_min + 0.02, minutes, look_s / 60)
        found = first_leaks(ours, theirs, looks, after_min=after_min, every_s=every_s)
        called[who] |= np.isfinite(found)
    assert called.mean() <= (most if runs >= 1000 else 0.02)


def test_theils_interval_alone_would_call_every_fourth_of_them_a_leak() -> None:
    from scipy.stats import theilslopes

    rng, called = generator(22, "naive"), 0
    for ours, theirs in zip(restless(rng, 60, 60), restless(rng, 60, 60), strict=True):
        for minute in range(10, 60, 2):
            apart = (ours - theirs)[minute * 10 : minute * 30 : 15]
            if theilslopes(apart, np.arange(len(apart)) / 2, alpha=0.99)[2] > 2:
                called += 1
                break
    assert called / 60 >= 0.25


@pytest.mark.parametrize(
    ("process", "leak", "after_min", "every_s", "median", "most"),
    [
        (calm, 20, 10.0, 2.0, 10.2, 11.0),
        (calm, 5, 10.0, 2.0, 26.0, 40.0),
        (restless, 20, 10.0, 2.0, 16.0, np.inf),
        (calm, 20, 1.0, 1.0, 1.5, 2.5),
    ],
)
def test_a_leak_is_found_within(
    process: Any, leak: float, after_min: float, every_s: float, median: float, most: float
) -> None:
    rng, minutes = generator(23, process.__name__, str(leak), str(after_min)), 40 if after_min == 10 else 6
    ours, theirs = (process(rng, 60, minutes, every_s=every_s) for _ in range(2))
    ours += leak * times(ours.shape[1], every_s)
    looks = np.arange(after_min, minutes, after_min / 100)
    found = first_leaks(ours, theirs, looks, after_min=after_min, every_s=every_s)
    assert np.median(found) <= median
    assert np.sort(found)[57] <= most


def test_nothing_is_said_before_its_time() -> None:
    t = times(60 * 30)
    series, flat = as_series(t, 900 + 20 * t), as_series(t, 0 * t)
    early = memory_growth(series[:300], flat[:300])
    assert (early.slope, early.leaks) == (None, False)
    assert early.minutes == pytest.approx(9.97, abs=0.01)
    assert memory_growth(series[:302], flat[:302]).leaks


@pytest.mark.parametrize("size_mb", [30.0, 300.0, 3000.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_steps_are_no_leak_however_high(size_mb: float, steps: int) -> None:
    t = times(60 * 30)
    noise = generator(24, str(steps)).normal(0, 2, len(t))
    stairs = 900 + noise + size_mb * sum((t >= 20.0 * (k + 1) / (steps + 1)).astype(float) for k in range(steps))
    for n in range(300, len(t), 30):
        assert not memory_growth(as_series(t[:n], stairs[:n]), as_series(t[:n], 0 * t[:n])).leaks


@pytest.mark.parametrize("takes_min", [0.5, 2.0, 4.0, 6.0])
def test_a_warm_up_that_levels_off_is_no_leak(takes_min: float) -> None:
    t = times(60 * 30)
    warm = 900 + 300 * (1 - np.exp(-t / takes_min)) + generator(25).normal(0, 0.5, len(t))
    for n in range(301, len(t), 10):
        assert not memory_growth(as_series(t[:n], warm[:n]), as_series(t[:n], 0 * t[:n])).leaks


def test_growth_that_both_share_does_not_count() -> None:
    rng = generator(14)
    both = calm(rng, 2, 20) + 10 * times(600)
    grown = memory_growth(as_series(times(600), both[0]), as_series(times(600), both[1]))
    assert not grown.leaks
    assert grown.low is not None
    assert grown.high is not None
    assert grown.low < 0.5
    assert grown.high > -0.5


@pytest.mark.parametrize("every_s", [1.0, 10.0, 30.0])
def test_the_slope_is_in_megabytes_a_minute_whatever_the_rhythm(every_s: float) -> None:
    t = times(round(40 * 60 / every_s), every_s)
    ours, theirs = calm(generator(15, str(every_s)), 2, 40, every_s=every_s)
    grown = memory_growth(as_series(t, ours + 4 * t), as_series(t + 0.01, theirs))
    assert grown.slope == pytest.approx(4, abs=0.7)


def test_of_several_pairs_the_worst_needs_more_to_be_called_a_leak() -> None:
    assert [bins_for(0.001 / servers) for servers in (1, 2, 10, 100)] == [23, 24, 26, 30]
    with pytest.raises(InvalidInput):
        bins_for(0.0)


def test_a_time_in_which_one_was_not_measured_is_no_rise() -> None:
    t = times(450)
    series = as_series(t, 900 + 20 * t)
    gap = [row for row in series if not 9 <= row[0] < 12]
    assert memory_growth(series, as_series(t, 0 * t)).leaks
    holed = memory_growth(series, gap)
    assert (holed.slope, holed.leaks) == (None, False)
    assert memory_growth([], series).minutes == 0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidInput):
        memory_growth([(0.0, float("nan"))], [(0.0, 1.0)])


def test_the_verdict_says_what_was_found_and_what_is_missing() -> None:
    analyzer, t = StatisticalAnalyzer(), times(600)
    leaking, flat = as_series(t, 100 + 9 * t), as_series(t, 100 + 0 * t)
    told = analyzer.memory(leaking, flat)
    assert told.verdict is Verdict.BREACH
    assert "grows by +9.0 MB a minute beyond the control's, more than 2 in 22 of 22 steps" in told.reason
    assert analyzer.memory(flat, flat).verdict is Verdict.HEALTHY
    assert analyzer.memory([], []).verdict is Verdict.NO_DATA
    early = analyzer.memory(leaking[:100], flat[:100])
    assert early.verdict is Verdict.INSUFFICIENT
    assert "about 7 more minutes" in early.missing


def test_a_shared_process_says_that_nothing_can_be_attributed() -> None:
    t = times(600)
    told = StatisticalAnalyzer().memory(as_series(t, 9 * t), as_series(t, 0 * t), shared_process=True)
    assert told.verdict is Verdict.NOT_ATTRIBUTABLE
    assert "cannot be attributed" in told.reason
    assert (told.effect, told.low, told.high) == (None, None, None)
