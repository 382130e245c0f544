from __future__ import annotations

import numpy as np
import pytest

from ab_testing.stats import StatisticalAnalyzer, Verdict
from ab_testing.stats.growth import MemorySeries, memory_growth
from ecosight.errors import InvalidInput


def process(
    rng: np.random.Generator, *, leak: float = 0.0, warm_mb: float = 60.0, minutes: int = 40, every_s: float = 10.0
) -> MemorySeries:
    """Warm-up that levels off, noise that resembles itself, and perhaps a leak in MB a minute."""
    t = np.arange(0, minutes, every_s / 60)
    noise = rng.normal(0, 1, len(t))
    for i in range(1, len(t)):
        noise[i] += 0.9 * noise[i - 1]
    figures = 900 + warm_mb * (1 - np.exp(-t / 4)) + noise + leak * t
    return [(float(a), float(b)) for a, b in zip(t, figures, strict=True)]


def first_flag(candidate: MemorySeries, control: MemorySeries, analyzer: StatisticalAnalyzer) -> int | None:
    """The minute at which a look every minute first finds a leak."""
    for minute in range(1, 41):
        seen = [row for row in candidate if row[0] < minute], [row for row in control if row[0] < minute]
        if analyzer.memory(*seen).verdict is Verdict.BREACH:
            return minute
    return None


def test_a_leak_is_found_and_a_warm_up_is_not_taken_for_one() -> None:
    analyzer, rng = StatisticalAnalyzer(), np.random.default_rng(13)
    alike = [first_flag(process(rng, warm_mb=90), process(rng), analyzer) for _ in range(40)]
    assert sum(found is not None for found in alike) <= 2
    leaking = [first_flag(process(rng, leak=5), process(rng), analyzer) for _ in range(20)]
    assert all(found is not None and found <= 22 for found in leaking)


def test_growth_that_both_share_does_not_count() -> None:
    rng = np.random.default_rng(14)
    grown = memory_growth(process(rng, leak=10), process(rng, leak=10))
    assert grown.low is not None
    assert grown.high is not None
    assert grown.low < 0.5
    assert grown.high > -0.5


def test_the_slope_is_in_megabytes_a_minute_whatever_the_rhythm() -> None:
    rng = np.random.default_rng(15)
    for every_s in (1.0, 10.0, 30.0):
        grown = memory_growth(process(rng, leak=4, every_s=every_s), process(rng))
        assert grown.slope == pytest.approx(4, abs=0.7)


def test_minutes_in_which_one_was_not_measured_do_not_count() -> None:
    series = [(float(minute), 100.0) for minute in range(30)]
    gap = [row for row in series if not 12 <= row[0] < 25]
    assert memory_growth(series, gap).minutes == 7
    assert memory_growth([], series).minutes == 0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidInput):
        memory_growth([(0.0, float("nan"))], [(0.0, 1.0)])


def test_a_shared_process_says_that_nothing_can_be_attributed() -> None:
    analyzer = StatisticalAnalyzer()
    series = [(minute / 6, 100.0 + 9 * minute) for minute in range(240)]
    told = analyzer.memory(series, series, shared_process=True)
    assert told.verdict is Verdict.NOT_ATTRIBUTABLE
    assert "cannot be attributed" in told.reason
    assert analyzer.memory([], []).verdict is Verdict.NO_DATA
    early = analyzer.memory(series[:60], series[:60])
    assert early.verdict is Verdict.INSUFFICIENT
    assert "10 more minutes" in early.missing
