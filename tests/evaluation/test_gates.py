"""Configured gates: each rule says what it found, in figures, and a stored decision is made again from its evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ecosight.config import EvaluationSection
from ecosight.config.gates import LOSSES
from ecosight.errors import InvalidInput
from evaluation.comparing import compare
from evaluation.detection import FoundBoxes, TrueBoxes, evaluate_detection
from evaluation.gates import GateDecision, Measured, Verdict, gate_lines, judge_candidate, replay_gate
from evaluation.gates.paired import paired_interval
from evaluation.metrics import METRICS
from evaluation.page import report_page
from evaluation.predictions import Predictions

LABELS = ("fox", "owl")
RANKED = ("macro_auc", "weighted_auc", "map", "map50", "weighted_average_precision")


def predictions(right: Sequence[bool], *, digest: str = "m", station: Sequence[str] | None = None) -> Predictions:
    """Samples of alternating classes, two to a group; each answered with 0.8, rightly or wrongly."""
    n = len(right)
    truth = [k % 2 for k in range(n)]
    said = [label if good else 1 - label for label, good in zip(truth, right, strict=True)]
    answers = np.full((n, 2), 0.2)
    answers[np.arange(n), said] = 0.8
    ids = [f"s{k:04}" for k in range(n)]
    return Predictions.of(
        sample_ids=ids,
        labels=[LABELS[label] for label in truth],
        groups=[f"g{k // 4:03}" for k in range(n)],
        sources=ids,
        answers=answers,
        known_labels=LABELS,
        model_digest=digest,
        facts={} if station is None else {"station": tuple(station)},
    )


def measured(right: Sequence[bool], **more: Any) -> Measured:
    answered = predictions(right, **more)
    return Measured(report=answered.report(bootstrap_samples=100, seed=1), predictions=answered)


def judge(
    rule: dict[str, Any],
    candidate: Measured,
    champion: Measured | None = None,
    *,
    min_accuracy: float = 0.0,
    **more: Any,
) -> GateDecision:
    """What one rule decides; the decision must follow from its stored form too."""
    settings = EvaluationSection.model_validate({"gates": [rule], "bootstrap_samples": 200, **more})
    made = judge_candidate(candidate, champion, settings, min_accuracy=min_accuracy, seed=7)
    stored = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert replay_gate(stored["evidence"]).as_dict() == stored
    return made


def only(decision: GateDecision) -> Verdict:
    (verdict,) = decision.verdicts
    assert decision.promote is not verdict.blocks
    return verdict


def share(right: int, n: int = 80) -> list[bool]:
    """Right answers first: whole groups are right, and whole groups are wrong."""
    return [k < right for k in range(n)]


NINE_TENTHS = share(72)


@pytest.mark.parametrize(
    ("rule", "outcome", "told"),
    [
        ({"kind": "metric", "metric": "accuracy", "at_least": 0.9}, "passed", "accuracy is 0.90 ["),
        ({"kind": "metric", "metric": "accuracy", "at_least": 0.91}, "failed", "below the required 0.91"),
        ({"kind": "metric", "metric": "recall/owl", "at_least": 0.9}, "passed", "recall/owl is 0.90"),
        ({"kind": "metric", "metric": "brier", "at_most": 0.1}, "failed", "above the allowed 0.10"),
        ({"kind": "metric", "metric": "recall/lynx", "at_least": 0.1}, "cannot say", "recall/lynx is not known"),
        ({"kind": "metric", "metric": "speed/fps", "at_least": 9}, "cannot say", "the speed was not measured"),
        ({"kind": "class_floor", "at_least": 0.9}, "passed", "no recall of 2 classes is below the required 0.90"),
        ({"kind": "class_floor", "at_least": 0.95}, "failed", "fox 0.90 (40 samples), owl 0.90 (40 samples)"),
        ({"kind": "class_floor", "at_least": 0.9, "min_samples": 41}, "cannot say", "no class has the 41 test samples"),
        ({"kind": "calibration", "at_most": 0.11}, "passed", "ece is 0.10"),
        ({"kind": "calibration", "at_most": 0.05}, "failed", "above the allowed 0.05"),
        ({"kind": "test_size", "samples": 80, "groups": 20, "per_class": 40}, "passed", "80 samples in 20 groups"),
        ({"kind": "test_size", "groups": 21}, "failed", "required are 21 groups"),
        ({"kind": "test_size", "per_class": 50}, "failed", "50 samples of each class, but there are of fox 40, owl 40"),
        ({"kind": "latency", "at_most_ms": 9}, "cannot say", "the latency of the candidate was not measured"),
        ({"kind": "margin", "by": 0.01}, "passed", "there is no champion yet"),
        ({"kind": "class_fall"}, "passed", "there is no champion yet"),
        ({"kind": "latency", "times_champion": 2}, "passed", "there is no champion yet"),
    ],
)
def test_a_rule_says_what_it_found(rule: dict[str, Any], outcome: str, told: str) -> None:
    verdict = only(judge(rule, measured(NINE_TENTHS)))
    assert (verdict.outcome, told in verdict.sentence) == (outcome, True), verdict


def test_what_cannot_be_said_blocks_unless_it_is_told_to_pass() -> None:
    rule = {"kind": "slice_floor", "fact": "moon", "at_least": 0.5, "name": "by moonlight"}
    blocked = judge(rule, measured(NINE_TENTHS))
    assert not blocked.promote
    assert blocked.reasons == (
        "by moonlight: cannot say: nothing is known about moon of the test samples (known: nothing)",
    )
    assert "cannot say, blocks" in gate_lines(blocked)[1]
    assert judge({**rule, "on_missing": "pass"}, measured(NINE_TENTHS)).promote


@pytest.mark.parametrize(
    ("rule", "candidate", "outcome", "told"),
    [
        (
            {"kind": "margin", "by": 0.05},
            70,
            "passed",
            "accuracy went from 0.90 to 0.875, worse within the allowed 0.05",
        ),
        ({"kind": "margin", "by": 0.02}, 70, "failed", "worse by more than the allowed 0.02"),
        ({"kind": "margin"}, 71, "failed", "the allowed 0.01"),  # evaluation.accuracy_margin
        ({"kind": "margin", "metric": "brier", "by": 0}, 73, "passed", "not worse"),
        ({"kind": "margin", "metric": "brier", "by": 0}, 71, "failed", "worse by more than"),
        ({"kind": "class_fall", "by": 0.05}, 66, "failed", "fox recall fell from 0.90 to 0.825"),
        ({"kind": "class_fall"}, 66, "passed", "no recall of 2 classes fell"),  # evaluation.class_margin
        ({"kind": "class_fall", "by": 0.01}, 71, "passed", "one sample of only 40 and does not count"),
    ],
)
def test_a_rule_compares_with_the_champion(rule: dict[str, Any], candidate: int, outcome: str, told: str) -> None:
    verdict = only(judge(rule, measured(share(candidate)), measured(NINE_TENTHS, digest="c")))
    assert (verdict.outcome, told in verdict.sentence) == (outcome, True), verdict


def test_a_confident_margin_asks_for_more_than_equal_figures() -> None:
    """Equally accurate on 20 groups says little when they are right in different ones; equal bytes are equal."""
    rule = {"kind": "margin", "by": 0.02, "confident": True}
    last_right = [not good for good in share(8)]
    unsure = only(judge(rule, measured(last_right), measured(NINE_TENTHS, digest="c")))
    assert unsure.outcome == "failed"
    assert "better by +0.000, 95% interval [-0." in unsure.sentence
    assert only(judge({**rule, "by": 0.5}, measured(last_right), measured(NINE_TENTHS, digest="c"))).outcome == "passed"
    same = only(judge({**rule, "by": 0}, measured(NINE_TENTHS), measured(NINE_TENTHS)))
    assert "95% interval [+0.000, +0.000]" in same.sentence
    assert same.outcome == "passed"


def test_models_that_answer_alike_are_not_known_to_be_equal() -> None:
    alike = paired_interval(
        predictions(NINE_TENTHS), predictions(NINE_TENTHS, digest="c"), "accuracy", resamples=100, seed=1
    )
    assert alike is not None
    assert alike.high == -alike.low == pytest.approx(1 - 0.025 ** (1 / 20))


def test_a_confident_margin_turns_losses_round() -> None:
    rule = {"kind": "margin", "metric": "brier", "by": 0.0, "confident": True}
    much_better, champion = measured(share(80)), measured(share(40), digest="c")
    assert only(judge(rule, much_better, champion)).outcome == "passed"
    assert only(judge(rule, measured(share(40)), measured(share(80), digest="c"))).outcome == "failed"


@pytest.mark.parametrize(
    "metric",
    ["accuracy", "micro_f1", "macro_f1", "balanced_accuracy", "weighted_f1", "f1/owl", "recall/owl", "macro_auc"],
)
def test_a_confident_margin_is_not_passed_because_the_models_differ_in_one_or_two_groups(metric: str) -> None:
    """In truth the candidate fails in 8% of groups where the champion does not; the margin is 8 points."""
    passed, champion = 0, predictions([True] * 160, digest="c")
    for seed in range(40):
        fails = np.repeat(np.random.default_rng(seed).random(40) < 0.08, 4)
        found = paired_interval(predictions(list(~fails)), champion, metric, resamples=100, seed=7)
        passed += found is not None and found.low > -0.08
    assert passed <= 2


@pytest.mark.parametrize(
    "metric",
    # With two classes there are no three most probable answers; of losses that are the same nothing can be told.
    [
        *sorted(METRICS["classification"].keys() - LOSSES - {"top_3_accuracy", "top_5_accuracy"}),
        "f1/owl",
        "precision/owl",
    ],
)
@pytest.mark.parametrize("worse", [0, 1, 2])
def test_a_confident_margin_has_an_interval_however_few_answers_differ(metric: str, worse: int) -> None:
    """The candidate fails in none, one or two more of 40 groups: that 3% of others differ is not ruled out."""
    candidate = [k not in (8, 42)[:worse] for k in range(160)]
    candidate[100] = False
    champion = [k != 100 for k in range(160)]
    found = paired_interval(predictions(candidate), predictions(champion, digest="c"), metric, resamples=200, seed=7)
    assert found is not None
    assert found.low <= found.difference <= found.high
    assert found.low < (-0.03 if metric not in RANKED else -0.001)


def test_one_answer_that_differs_in_a_rare_class_is_no_proof_that_means_over_classes_agree() -> None:
    """One of two groups of a rare class is lost: the interval reaches to where both are."""

    def answered(right: bool, digest: str) -> Predictions:
        truth = ["fox"] * 49 + ["owl"] * 49 + ["elk"] * 2
        said = [(each, 0.8) for each in truth]
        said[98] = ("elk" if right else "owl", 0.8)
        known = ("elk", "fox", "owl")
        table = [[likely if each == name else (1 - likely) / 2 for name in known] for each, likely in said]
        ids = [f"s{k:03}" for k in range(100)]
        return Predictions.of(
            sample_ids=ids,
            labels=truth,
            groups=ids,
            sources=ids,
            answers=np.asarray(table),
            known_labels=known,
            model_digest=digest,
            facts={},
        )

    for metric in ("macro_f1", "balanced_accuracy"):
        found = paired_interval(answered(False, "a"), answered(True, "b"), metric, resamples=200, seed=7)
        assert found is not None
        assert found.low < 2 * found.difference < 0 < found.high


def test_the_interval_of_the_classes_calibration_holds_the_truth() -> None:
    """Calibration errors look larger than they are, that of a model that is too sure by less: 100 parts of 150 samples.

    Without regard to that, 92 of the intervals would hold the truth, and fewer where there are more groups.
    """
    labels = ("c0", "c1", "c2", "c3")

    def answered(rng: np.random.Generator, n: int) -> list[Predictions]:
        truth, shared = rng.integers(4, size=n), rng.normal(size=(n, 4))
        made = []
        for name, sureness in (("champion", 1.0), ("candidate", 3.0)):
            odds = sureness * (shared + 0.6 * rng.normal(size=(n, 4)))
            odds[np.arange(n), truth] += 2.5
            table = np.exp(odds)
            made.append(
                Predictions.of(
                    sample_ids=[f"s{k:06}" for k in range(n)],
                    labels=[labels[k] for k in truth],
                    groups=[f"g{k}" for k in range(n)],
                    sources=[""] * n,
                    answers=(table / table.sum(axis=1, keepdims=True)).astype(np.float32),
                    known_labels=labels,
                    model_digest=name,
                    facts={},
                )
            )
        return made

    champion, candidate = (
        each.report(bootstrap_samples=2, seed=1) for each in answered(np.random.default_rng(0), 100_000)
    )
    aim = (candidate.classwise_ece.value or 0.0) - (champion.classwise_ece.value or 0.0)
    rng, held = np.random.default_rng(1), 0
    for seed in range(100):
        before, now = answered(rng, 150)
        found = paired_interval(now, before, "classwise_ece", resamples=100, seed=seed)
        held += found is not None and found.low <= aim <= found.high
    assert held >= 94


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "macro_auc", "map", "brier", "ece"])
def test_the_interval_of_a_margin_is_that_of_a_comparison(metric: str) -> None:
    candidate, champion = (predictions(share(right), digest=name) for right, name in ((70, "a"), (60, "b")))
    found = paired_interval(candidate, champion, metric, resamples=100, seed=7)
    shown = compare([champion, candidate], bootstrap_samples=100, seed=7).pairs[0].metrics[metric].difference
    assert found is not None
    assert (found.low, found.high) == (shown.low, shown.high)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "map", "recall/owl"])
def test_the_interval_of_a_difference_holds_the_truth(metric: str) -> None:
    """Two models of equal skill on 40 groups: the interval of their difference misses 0 in some 5% of parts."""
    missed = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        hard = np.repeat(rng.beta(4, 1, 40), 4)
        parts = [predictions(list(rng.random(160) < hard), digest=name) for name in "ab"]
        found = paired_interval(parts[0], parts[1], metric, resamples=150, seed=seed)
        assert found is not None
        missed += not found.low <= 0 <= found.high
    assert missed <= 9  # with a true 5%, more than 9 of 80 happen once in 100


def test_the_worst_slice_counts_if_it_is_large_enough() -> None:
    """Station north answers worse; at creek there are too few samples, of eight samples it is not known."""
    station = ["north"] * 16 + ["south"] * 48 + ["creek"] * 8 + [""] * 8
    right = [k >= 8 for k in range(80)]
    rule = {"kind": "slice_floor", "fact": "station", "at_least": 0.6, "min_samples": 12}
    verdict = only(judge(rule, measured(right, station=station)))
    assert verdict.outcome == "failed"
    assert verdict.sentence == (
        "accuracy by station is below the required 0.60: north 0.50 (8 of 16 samples, 4 groups); "
        "slices too small to judge: 1; of 8 samples station is not known"
    )
    passed = only(judge({**rule, "at_least": 0.5}, measured(right, station=station)))
    assert "worst north 0.50 (8 of 16 samples, 4 groups)" in passed.sentence
    few = only(judge({**rule, "min_groups": 99}, measured(right, station=station)))
    assert few.outcome == "cannot say"


def test_evidence_holds_counts_and_no_sample() -> None:
    rule = {"kind": "slice_floor", "fact": "station", "at_least": 0.5}
    told = json.dumps(judge(rule, measured(NINE_TENTHS, station=["north"] * 80)).as_dict())
    assert '"north": {"n": 80, "right": 72, "groups": 20}' in told
    assert "s0001" not in told


def test_who_asks_for_an_accuracy_gets_it_beside_configured_rules() -> None:
    rule = {"kind": "test_size", "samples": 1}
    decision = judge(rule, measured(NINE_TENTHS), min_accuracy=0.95)
    assert not decision.promote
    assert decision.reasons[0].startswith("min_accuracy: accuracy is 0.90")


def test_without_configured_rules_the_standard_ones_hold() -> None:
    settings = EvaluationSection()
    decision = judge_candidate(measured(share(60)), measured(NINE_TENTHS), settings, min_accuracy=0, seed=7)
    assert decision.evidence["rules"] == 1
    assert decision.reasons[0] == "accuracy fell from 0.90 to 0.75, more than the allowed 0.01"
    assert [each.rule["kind"] for each in decision.verdicts] == ["metric", "margin", "class_fall"]


RECORDED = {
    "rules": 1,
    "accuracy_margin": 0.01,
    "class_margin": 0.1,
    "min_accuracy": 0.0,
    "candidate": {
        "n": 20,
        "accuracy": 0.7,
        "test_digest": "t",
        "model_digest": "a",
        "classes": {
            "fox": {"support": 10, "hits": 6, "known": True},
            "owl": {"support": 10, "hits": 8, "known": True},
        },
    },
    "champion": {
        "n": 20,
        "accuracy": 0.85,
        "test_digest": "t",
        "model_digest": "b",
        "classes": {
            "fox": {"support": 10, "hits": 9, "known": True},
            "owl": {"support": 10, "hits": 8, "known": False},
        },
    },
}
"""As an earlier EcoSight recorded it."""


def test_a_decision_of_an_earlier_version_is_made_again() -> None:
    again = replay_gate(RECORDED)
    assert not again.promote
    assert again.reasons == (
        "accuracy fell from 0.85 to 0.70, more than the allowed 0.01",
        "fox recall fell from 0.90 to 0.60, more than the allowed 0.10 (3 of 10 samples)",
        "accuracy is 0.70 on 20 test samples",
        "not known to the champion, so not compared: owl",
    )


def test_two_test_parts_are_never_compared() -> None:
    with pytest.raises(InvalidInput, match="not measured on the same test part"):
        judge({"kind": "margin"}, measured(share(70)), measured(share(70, 40)))


def test_a_detector_is_judged_by_the_rules_that_fit_it() -> None:
    box = [0.0, 0.0, 50.0, 50.0]
    truth = TrueBoxes(image=["a", "b"], label=["fox", "fox"], box=[box, box])
    found = FoundBoxes(image=["a"], label=["fox"], box=[box], score=[0.9])
    detector = Measured(report=evaluate_detection(truth, found, ["a", "b"], bootstrap_samples=20))
    assert only(judge({"kind": "metric", "metric": "map50", "at_least": 0.5}, detector)).outcome == "passed"
    assert only(judge({"kind": "class_floor", "at_least": 0.6}, detector)).outcome == "failed"
    assert only(
        judge({"kind": "margin", "metric": "map50", "by": 0.1, "confident": True}, detector, detector)
    ).outcome == ("cannot say")
    with pytest.raises(InvalidInput, match="the standard gate judges classifiers, not a detection report"):
        judge_candidate(detector, None, EvaluationSection(), min_accuracy=0, seed=1)


def test_the_page_shows_the_decision(random_case: Callable[..., Any]) -> None:
    candidate = measured(NINE_TENTHS)
    decision = judge({"kind": "metric", "metric": "accuracy", "at_least": 0.95}, candidate)
    page = report_page(candidate.report, decision=decision)
    assert "below the required 0.95" in page
    assert '"promote":false' in page
