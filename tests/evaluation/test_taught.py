"""What a model learned from is found among the samples that it is asked about, told, and kept out of the gate's yes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecosight.blobs import LocalBlobs
from ecosight.config import Config, EvaluationSection
from ecosight.errors import IntegrityError, InvalidInput, NotFound
from evaluation import evaluator as face
from evaluation.comparing import ModelComparator, comparison_lines
from evaluation.evaluator import ModelEvaluator
from evaluation.gates import GateDecision, Measured, gate_lines, judge_candidate, replay_gate
from evaluation.page import report_page
from evaluation.predictions import Predictions
from evaluation.report import ClassificationReport, report_lines
from evaluation.taught import LearnedFrom, Taught, learned_from, taught_among

NAMED = {"facts": {"dataset": {"name": "main", "version": 1, "digest": "f" * 64}}}
MOST = Taught(n=16, version="main@v1", train=9)
NONE = Taught(n=16, version="main@v1")
UNKNOWN = Taught(n=16)
TOLD = "9 of 16 samples, or others of their groups, were in the training part of main@v1"
NOT_KNOWN = "what the model was trained on is not known here, so it may have learned from these samples"


class Row:
    def __init__(self, sample_id: str, group: str = "") -> None:
        self.sample_id, self.label, self.group = sample_id, "fox", group or sample_id


class Version:
    """``train`` and ``val`` are names of samples, ``sample:group`` where a sample is not its own group."""

    def __init__(self, train: str, val: str) -> None:
        self._parts = {"train": train.split(), "val": val.split()}

    def part(self, name: str) -> Iterable[Row]:
        return [Row(*each.split(":")) for each in self._parts[name]]


def refuse(_: str) -> Version:
    raise AssertionError("a version was read")


def raising(error: Exception) -> Callable[[str], Version]:
    def fail(_: str) -> Version:
        raise error

    return fail


def answered(taught: Taught | None, *, model: str = "now", right: bool = True) -> Predictions:
    table = np.eye(2) * 0.8 + 0.1
    return Predictions.of(
        sample_ids=[f"s{number:02}" for number in range(16)],
        labels=["fox", "owl"] * 8,
        groups=[f"g{number // 2}" for number in range(16)],
        sources=[""] * 16,
        answers=np.array([table[(number % 2) if right or number else 1] for number in range(16)]),
        known_labels=["fox", "owl"],
        model_digest=model,
        model=model,
        taught=taught,
    )


def decided(candidate: Taught | None, champion: Taught | None = None, *, rules: Any = None, same: bool = False) -> Any:
    """The gate's decision; it must follow from its stored form too."""
    settings = EvaluationSection.model_validate({"gates": rules, "bootstrap_samples": 100})
    both = [
        Measured(report=each.report(bootstrap_samples=20, seed=1), predictions=each)
        for each in (answered(candidate), answered(champion, model="now" if same else "before"))
    ]
    made = judge_candidate(both[0], both[1], settings, min_accuracy=0.5, seed=1)
    stored = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert replay_gate(stored["evidence"]).as_dict() == stored
    return made


def of_unseen(decision: GateDecision) -> list[tuple[str, bool, str]]:
    return [(each.outcome, each.blocks, each.sentence) for each in decision.verdicts if each.rule["kind"] == "unseen"]


CONFIDENT = [{"kind": "margin", "by": 0.5, "confident": True}]
RULES = pytest.mark.parametrize("rules", [None, CONFIDENT], ids=["standard", "configured"])


def test_samples_are_found_by_content_and_by_group_and_each_counts_once() -> None:
    version = Version(train="a:north b:north c", val="d:south e")
    asked = [Row("a", "other"), Row("new", "north"), Row("c"), Row("late", "south"), Row("e", "north"), Row("clean")]
    found = taught_among(NAMED, asked, lambda digest: version if digest == "f" * 64 else refuse(digest))
    assert found == Taught(n=6, version="main@v1", train=4, val=1)
    assert found.caveats == (
        "4 of 6 samples, or others of their groups, were in the training part of main@v1, and 1 in the validation part "
        "of main@v1, which chose its best epoch and calibrated it",
    )
    assert Taught.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_on_the_test_part_of_its_own_version_nothing_is_read_and_nothing_is_told() -> None:
    found = taught_among(NAMED, [Row("a"), Row("b")], refuse, own="f" * 64)
    assert (found.caveats, found.as_dict()) == ((), {"n": 2, "version": "main@v1", "train": 0, "val": 0})


@pytest.mark.parametrize(
    "info",
    [{}, {"facts": None}, {"facts": {}}, {"facts": {"dataset": "main@v1"}}, {"facts": {"dataset": {"digest": ""}}}],
)
def test_a_model_that_names_no_version_is_said_to_be_unknown(info: dict[str, Any]) -> None:
    assert taught_among(info, [Row("a")], refuse, own="").caveats == (NOT_KNOWN,)
    assert learned_from(info, refuse) == LearnedFrom()


@pytest.mark.parametrize("error", [NotFound("no such version"), IntegrityError("its bytes were changed")])
def test_a_version_that_is_not_here_or_is_damaged_stops_no_measurement(error: Exception) -> None:
    assert taught_among(NAMED, [Row("a")], raising(error)).caveats == (NOT_KNOWN,)


@pytest.mark.parametrize(("taught", "caveats"), [(MOST, (TOLD,)), (UNKNOWN, (NOT_KNOWN,)), (NONE, ()), (None, ())])
def test_a_report_tells_it_in_text_in_json_and_on_the_page(taught: Taught | None, caveats: tuple[str, ...]) -> None:
    report = answered(taught).report(bootstrap_samples=10, seed=1)
    assert report.caveats == caveats
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["caveats"] == list(caveats)
    assert ClassificationReport.from_dict(plain) == report
    for caveat in caveats:
        assert f"  ! {caveat}" in report_lines(report)
        assert caveat in report_page(report)


def test_a_comparison_tells_it_of_each_model_by_name() -> None:
    comparator = ModelComparator(bootstrap_samples=20)
    found = comparator.compare([answered(MOST, model="a"), answered(NONE, model="b"), answered(UNKNOWN, model="c")])
    assert found.caveats == (f"a: {TOLD}", f"c: {NOT_KNOWN}")
    assert f"  ! a: {TOLD}" in comparison_lines(found)
    assert found.as_dict()["caveats"] == found.caveats
    assert f"a: {TOLD}" in comparator.page(found)


@RULES
def test_the_gate_cannot_say_that_a_candidate_is_good_at_what_it_learned(rules: Any) -> None:
    made = decided(MOST, NONE, rules=rules)
    assert not made.promote
    ((outcome, blocks, sentence),) = of_unseen(made)
    assert (outcome, blocks) == ("cannot say", True)
    assert sentence == f"{TOLD}; how good it is on new samples is not known from these"
    assert made.reasons[0] == f"cannot say: {sentence}"
    assert any(line.startswith("  cannot say, blocks unseen: 9 of 16") for line in gate_lines(made))
    only_chosen = decided(replace(MOST, train=0, val=1), NONE, rules=rules)
    assert not only_chosen.promote
    assert "1 of 16 samples, or others of their groups, was in the validation part" in only_chosen.reasons[0]


@RULES
def test_a_champion_that_learned_from_the_samples_is_told_and_keeps_nobody_out(rules: Any) -> None:
    made = decided(NONE, MOST, rules=rules)
    assert made.promote
    assert of_unseen(made) == [("passed", False, f"for the champion, {TOLD}, so it looks better than it is")]
    assert of_unseen(decided(MOST, MOST, rules=rules))[0][2].endswith("so it looks better than it is")
    assert not of_unseen(decided(MOST, MOST, rules=rules, same=True))[0][2].endswith("so it looks better than it is")


@RULES
def test_a_candidate_of_which_nothing_is_known_is_judged_and_the_gate_says_so(rules: Any) -> None:
    made = decided(UNKNOWN, NONE, rules=rules)
    assert made.promote
    assert of_unseen(made) == [("cannot say", False, NOT_KNOWN)]


@RULES
def test_where_nothing_was_learned_from_the_evidence_is_what_it_always_was(rules: Any) -> None:
    made = decided(NONE, NONE, rules=rules)
    assert made.promote
    assert made.as_dict() == decided(None, None, rules=rules).as_dict()
    assert "taught" not in json.dumps(made.as_dict())
    assert "taught" not in json.dumps(decided(NONE, UNKNOWN, rules=rules).as_dict()["verdicts"])


@pytest.mark.parametrize("wrong", [{"train": 17}, {"train": -1}, {"train": None}, {"val": True}])
@RULES
def test_evidence_with_counts_that_cannot_be_is_refused(rules: Any, wrong: dict[str, Any]) -> None:
    evidence = json.loads(json.dumps(decided(MOST, NONE, rules=rules).evidence))
    evidence["candidate"]["taught"] |= wrong
    with pytest.raises(InvalidInput, match="no evidence of a gate's decision"):
        replay_gate(evidence)


def test_an_evaluator_that_finds_its_samples_by_name_looks_and_one_that_got_them_does_not(
    make_servable: Callable[..., Any],
    put: Callable[..., Any],
    blobs: LocalBlobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, f"g{number}") for number in range(4)]
    parts = {"other/test": entries, f"{'f' * 64}/train": [*entries[:3], Row("elsewhere")], f"{'f' * 64}/val": []}
    monkeypatch.setattr(face, "load_plugin", lambda *_: lambda _, name: (parts[name], blobs, ()))
    servable = make_servable(["fox", "owl"])
    servable.info = NAMED
    told = "3 of 4 samples, or others of their groups, were in the training part of main@v1"
    found = ModelEvaluator(servable, test_dataset="other/test", config=Config(), bootstrap_samples=10)
    assert found.evaluate().caveats == (told,)
    assert found.compare_models([make_servable(["fox", "owl"])]).caveats == (
        f"eeeeeeee: {told}",
        f"eeeeeeee (2): {NOT_KNOWN}",
    )
    assert ModelEvaluator(servable, entries, blobs, bootstrap_samples=10).evaluate().caveats == ()
