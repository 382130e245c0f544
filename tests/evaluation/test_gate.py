from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosight.errors import InvalidInput
from evaluation.classification import evaluate_classification
from evaluation.gates import GateDecision, decide_gate, replay_gate
from evaluation.report import ClassificationReport

Table = dict[str, tuple[int, int]]


def report(table: Table, *, known: list[str] | None = None, digest: str = "part") -> ClassificationReport:
    """label -> (right, support): wrong answers go to the next class."""
    labels, truth, said = list(table), [], []  # type: list[str], list[int], list[int]
    for index, (right, support) in enumerate(table.values()):
        truth += [index] * support
        said += [index] * right + [(index + 1) % len(labels)] * (support - right)
    return evaluate_classification(
        truth,
        np.eye(len(labels))[said],
        labels,
        [str(n) for n in range(len(truth))],
        bootstrap_samples=1,
        known_labels=known,
        test_digest=digest,
    )


def decide(candidate: Table, champion: Table | None, **more: Any) -> GateDecision:
    known = more.pop("known", None)
    return decide_gate(
        report(candidate),
        None if champion is None else report(champion, known=known),
        **{"accuracy_margin": 0.01, "class_margin": 0.10, "min_accuracy": 0.0, **more},
    )


GOOD: Table = {"dog_bark": (46, 50), "gun_shot": (48, 50)}


@pytest.mark.parametrize(
    ("candidate", "settings", "promote", "reason"),
    [
        ({"dog_bark": (48, 50), "gun_shot": (49, 50)}, {}, True, "accuracy is not below the champion's (0.94 before"),
        (GOOD, {}, True, "no recall of 2 classes fell by more than the allowed 0.10"),
        ({"dog_bark": (45, 50), "gun_shot": (48, 50)}, {}, True, "accuracy fell from 0.94 to 0.93, within the allowed"),
        (
            {"dog_bark": (45, 50), "gun_shot": (47, 50)},
            {},
            False,
            "accuracy fell from 0.94 to 0.92, more than the allowed 0.01",
        ),
        (
            {"dog_bark": (35, 50), "gun_shot": (50, 50)},
            {"accuracy_margin": 0.2},
            False,
            "dog_bark recall fell from 0.92 to 0.70, more than the allowed 0.10 (11 of 50 samples)",
        ),
        ({"dog_bark": (41, 50), "gun_shot": (50, 50)}, {"accuracy_margin": 0.2}, True, "fell by more than the allowed"),
        (GOOD, {"min_accuracy": 0.94}, True, "the required minimum is 0.94"),
        (GOOD, {"min_accuracy": 0.95}, False, "accuracy 0.94 is below the required 0.95"),
    ],
)
def test_the_gate_decides_with_figures(
    candidate: Table, settings: dict[str, float], promote: bool, reason: str
) -> None:
    decision = decide(candidate, GOOD, **settings)
    assert decision.promote is promote
    assert any(reason in sentence for sentence in decision.reasons), decision.reasons


def test_the_first_model_only_needs_the_minimum() -> None:
    assert decide(GOOD, None).promote
    assert "there is no champion yet to compare with" in decide(GOOD, None).reasons
    refused = decide(GOOD, None, min_accuracy=0.99)
    assert (refused.promote, refused.reasons[0]) == (False, "accuracy 0.94 is below the required 0.99")


def test_every_fault_is_told_and_faults_come_first() -> None:
    decision = decide({"dog_bark": (10, 50), "gun_shot": (20, 50)}, GOOD, min_accuracy=0.9)
    assert [sentence.split(" fell")[0].split(" is")[0] for sentence in decision.reasons[:4]] == [
        "accuracy 0.30",
        "accuracy",
        "dog_bark recall",
        "gun_shot recall",
    ]


def test_one_sample_of_a_tiny_class_does_not_count_but_two_do() -> None:
    champion: Table = {"fox": (90, 100), "lynx": (3, 3)}
    one = decide({"fox": (95, 100), "lynx": (2, 3)}, champion)
    assert one.promote
    assert "lynx recall fell from 1.00 to 0.6667, which is one sample of only 3 and does not count" in one.reasons
    two = decide({"fox": (95, 100), "lynx": (1, 3)}, champion)
    assert not two.promote
    assert two.reasons[0] == "lynx recall fell from 1.00 to 0.3333, more than the allowed 0.10 (2 of 3 samples)"


def test_a_class_the_champion_did_not_know_is_listed_and_does_not_count() -> None:
    decision = decide({"fox": (45, 50), "newcomer": (1, 10)}, {"fox": (45, 50), "newcomer": (0, 10)}, known=["fox"])
    assert decision.promote
    assert "not known to the champion, so not compared: newcomer" in decision.reasons


def test_a_class_without_test_samples_is_listed_and_does_not_count() -> None:
    table: Table = {"fox": (45, 50), "unheard": (0, 0)}
    assert "without test samples, so not compared: unheard" in decide(table, table).reasons


def test_a_class_that_the_candidate_no_longer_knows_counts() -> None:
    candidate = report({"fox": (50, 50), "owl": (0, 10)}, known=["fox"])
    champion = report({"fox": (40, 50), "owl": (10, 10)})
    decision = decide_gate(candidate, champion, accuracy_margin=0.01, class_margin=0.1, min_accuracy=0)
    assert not decision.promote
    assert "owl recall fell from 1.00 to 0.00" in decision.reasons[0]


def test_reports_on_different_test_parts_are_never_compared() -> None:
    with pytest.raises(InvalidInput, match="not measured on the same test part"):
        decide_gate(
            report(GOOD, digest="a"), report(GOOD, digest="b"), accuracy_margin=0.01, class_margin=0.1, min_accuracy=0
        )


@pytest.mark.parametrize("setting", ["accuracy_margin", "class_margin", "min_accuracy"])
def test_a_margin_that_is_no_share_is_refused(setting: str) -> None:
    with pytest.raises(InvalidInput, match=setting):
        decide(GOOD, GOOD, **{setting: 10})


rows = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair)))
tables = st.fixed_dictionaries({"a": st.just((1, 1)), "b": rows, "c": rows})
shares = st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 12), st.integers(0, 12), shares, shares, shares)
def test_a_stored_decision_replays_to_the_same_verdict(
    champion: Table, b: int, c: int, accuracy: float, of_class: float, least: float
) -> None:
    candidate = {
        "a": (1, 1),
        "b": (min(b, champion["b"][1]), champion["b"][1]),
        "c": (min(c, champion["c"][1]), champion["c"][1]),
    }
    made = decide(candidate, champion, accuracy_margin=accuracy, class_margin=of_class, min_accuracy=least)
    stored = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert replay_gate(stored["evidence"]).as_dict() == stored


@settings(max_examples=60, deadline=None)
@given(tables, shares, shares)
def test_the_champion_itself_always_passes(champion: Table, accuracy: float, of_class: float) -> None:
    assert decide(champion, champion, accuracy_margin=accuracy, class_margin=of_class).promote


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 11), shares)
def test_one_more_right_answer_never_turns_yes_into_no(champion: Table, right: int, margin: float) -> None:
    support = champion["b"][1]
    if right >= support:
        return
    worse, better = {**champion, "b": (right, support)}, {**champion, "b": (right + 1, support)}
    given_margins = {"accuracy_margin": margin, "class_margin": margin}
    assert decide(better, champion, **given_margins).promote >= decide(worse, champion, **given_margins).promote


def test_evidence_of_other_rules_is_refused() -> None:
    with pytest.raises(InvalidInput, match="rules 99"):
        replay_gate({**decide(GOOD, GOOD).evidence, "rules": 99})


@pytest.mark.parametrize("wrong", [None, "high", [], float("nan")], ids=repr)
def test_what_is_no_evidence_is_refused_in_a_sentence(wrong: object) -> None:
    """NaN is below no limit, so it would pass them all."""
    made = decide(GOOD, GOOD).evidence
    for broken in (
        wrong,
        {**made, "candidate": wrong},
        {**made, "candidate": {**made["candidate"], "accuracy": wrong}},
    ):
        with pytest.raises(InvalidInput, match="evidence"):
            replay_gate(broken)
