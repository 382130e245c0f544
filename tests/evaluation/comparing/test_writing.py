"""The files of a comparison: JSON, figures, and a page that opens anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput
from evaluation.comparing import ModelComparator, compare, comparison_lines
from evaluation.evaluator import ModelEvaluator

Make = Callable[..., Any]


def test_everything_is_written_into_one_folder(world: Make, tmp_path: Path) -> None:
    comparator = ModelComparator(bootstrap_samples=50)
    found = comparator.compare(world().draw(np.random.default_rng(0), 20, [1.0, 3.0]), data="main@v3/test")
    files = comparator.write(found, tmp_path / "new")
    assert [file.name for file in files] == [
        "comparison.json",
        "models.png",
        "pair_1_figures.png",
        "pair_1_classes.png",
        "pair_1_slices.png",
        "comparison.html",
    ]
    assert all(file.read_bytes()[:4] == b"\x89PNG" for file in files if file.suffix == ".png")
    assert json.loads(files[0].read_text("utf-8"))["data"] == "main@v3/test"
    page = files[-1].read_text("utf-8")
    assert escape(found.pairs[0].verdict) in page
    assert not re.findall(r"""(?:src|href|url)\s*[=(]""", page)  # nothing from elsewhere
    assert page.count("<table>") == 5


def test_a_name_cannot_become_markup(say: Make) -> None:
    label = "<script>alert(1)</script>"
    table = np.array([[0.9, 0.1], [0.1, 0.9]] * 4)
    truth, groups = [label, "fox"] * 4, [f"<b>{number}" for number in range(8)]
    models = [say(name, truth, groups, each, [label, "fox"]) for name, each in (("<i>A", table), ("B", table[::-1]))]
    page = ModelComparator.page(compare(models, bootstrap_samples=20))
    assert "<script" not in page
    assert "<i>" not in page
    assert "<b>" not in page


def test_lines_say_that_mcnemar_does_not_hold_where_samples_come_in_groups(world: Make) -> None:
    found = compare(world().draw(np.random.default_rng(0), 20, [1.0, 3.0]), bootstrap_samples=50)
    lines = "\n".join(comparison_lines(found))
    assert lines.startswith(found.pairs[0].verdict)
    assert "it takes samples for independent, which these are not: by group p" in lines
    assert "odds ratio" in lines


def test_the_evaluator_compares_several_models(make_servable: Make, put: Make, blobs: Any) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, f"g{number}", str(number)) for number in range(6)]
    good, bad = make_servable(["fox", "owl"]), make_servable(["owl", "toad"])
    bad.digest = "b" * 64
    bad.predict = lambda prepared: np.tile(np.array([0.4, 0.6], np.float32), (len(prepared), 1))
    evaluator = ModelEvaluator(good, entries, blobs, bootstrap_samples=50)
    for models in ([good, bad], [bad]):  # one alone is compared with the evaluator's own
        found = evaluator.compare_models(models)
        assert [model.figures["accuracy"].value for model in found.models] == [1.0, 0.0]
        assert len(found.pairs[0].disagreements) == 6
    with pytest.raises(InvalidInput, match="no model was given"):
        evaluator.compare_models([])
