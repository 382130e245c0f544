"""How often intervals hold the truth, and how often p-values err, where clips of a recording are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from evaluation.comparing import Pair, compare

Found = dict[str, list[bool]]
Make = Callable[..., Any]


def contrasts(pair: Pair) -> dict[str, Any]:
    told = dict(pair.metrics) | {"recall": pair.classes.get("c0"), "slice": pair.slices[1].accuracy}
    return {name: each for name, each in told.items() if each is not None}


def study(world: Any, groups: int, trials: int, skills: Sequence[float], whole: int = 20_000) -> tuple[Found, Found]:
    """Figure -> whether each interval held the difference of a very large test part; and whether each p was <= .05."""
    large = compare(world.draw(np.random.default_rng(99), whole, skills), bootstrap_samples=2).pairs[0]
    equal = skills[0] == skills[1]
    aim = {name: 0.0 if equal else each.difference.value for name, each in contrasts(large).items()}
    held: Found = {name: [] for name in aim}
    believed: Found = {name: [] for name in [*aim, "mcnemar", "verdict"]}
    rng = np.random.default_rng(0)
    for trial in range(trials):
        pair = compare(world.draw(rng, groups, skills), bootstrap_samples=100, seed=trial).pairs[0]
        for name, each in contrasts(pair).items():
            low, high = each.difference.low, each.difference.high
            if low is not None:
                held[name].append(low <= aim[name] <= high)
            if each.p is not None:
                believed[name].append(each.p <= 0.05)
        believed["mcnemar"].append(pair.mcnemar.p <= 0.05)
        believed["verdict"].append(pair.better is not None)
    return held, believed


def test_equal_models_are_seldom_told_apart(world: Make) -> None:
    """60 comparisons of equal models: three standard errors of the simulation (8.5 points) are granted."""
    held, believed = study(world(), 30, 60, [2.0, 2.0], whole=500)
    by_group = {name: np.mean(each) for name, each in believed.items() if name != "mcnemar" and each}
    assert all(share <= 0.05 + 0.085 for share in by_group.values()), by_group
    covered = {name: np.mean(each) for name, each in held.items()}
    assert all(share >= 0.95 - 0.085 for share in covered.values()), covered


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("groups", [15, 60])
def test_no_p_value_errs_more_often_than_it_says(world: Make, groups: int, mixed: bool) -> None:
    """500 comparisons of equal models, three standard errors (3 points) granted for so many figures.

    McNemar's test, which takes clips for independent, errs more often.
    """
    _, believed = study(world(mixed=mixed), groups, 500, [2.0, 2.0], whole=500)
    shares = {name: float(np.mean(each)) for name, each in believed.items() if each}
    print(groups, mixed, shares)
    mcnemar = shares.pop("mcnemar")
    assert all(share <= 0.05 + 0.03 for share in shares.values()), shares
    assert mixed or mcnemar > 0.07


@pytest.mark.slow
@pytest.mark.parametrize("skills", [[2.0, 2.0], [2.0, 2.6], [3.5, 4.0]])
@pytest.mark.parametrize("groups", [40, 100])
def test_intervals_of_differences_hold_the_truth(world: Make, groups: int, skills: list[float]) -> None:
    """500 comparisons each, two standard errors (2 points) granted: 93 to 97%, of few groups at least that.

    Areas above .97 are the exception (``combined_estimate``).
    """
    held, _ = study(world(), groups, 500, skills)
    shares = {name: float(np.mean(each)) for name, each in held.items()}
    print(groups, skills, shares)
    if skills[0] > 3:
        assert shares.pop("macro_auc") >= 0.88
    assert all(share >= 0.93 - 0.02 for share in shares.values()), shares
    assert all(shares[name] <= 0.97 + 0.02 for name in ("accuracy", "macro_f1", "log_loss")), shares
