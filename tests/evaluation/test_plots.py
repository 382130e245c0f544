from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.classification import evaluate_classification
from evaluation.plots import class_figure, confusion_figure, learning_figure, write_plots
from evaluation.report import ClassificationReport

HISTORY = {"loss": [1.0, 0.5, 0.4], "val_loss": [1.1, 0.6, 0.7], "accuracy": [0.5, 0.8, 0.9], "lr": [1e-3, 1e-3, 1e-4]}


def report(case: Any) -> ClassificationReport:
    return evaluate_classification(*case, bootstrap_samples=50)


def test_all_figures_are_png_files(random_case: Callable[..., Any], tmp_path: Path) -> None:
    files = write_plots(report(random_case()), tmp_path / "new", history=HISTORY)
    names = ["confusion", "reliability", "per_class", "class_reliability", "roc", "precision_recall", "learning_curves"]
    assert [file.name for file in files] == [*(f"{name}.png" for name in names), "report.html"]
    assert all(file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000 for file in files[:-1])


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_without_a_history_there_are_no_learning_curves(
    random_case: Callable[..., Any], tmp_path: Path, history: Any
) -> None:
    assert "learning_curves.png" not in {
        file.name for file in write_plots(report(random_case(20)), tmp_path, history=history)
    }


def test_the_figures_show_the_report_s_numbers(random_case: Callable[..., Any]) -> None:
    made = report(random_case(300, 4))
    cells = [text.get_text().split("\n") for text in confusion_figure(made).axes[0].texts]
    assert sum(int(count) for count, _ in cells) == 300
    assert all(share.endswith("%") for _, share in cells)
    axes = class_figure(made.per_class).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["c0", "c1", "c2", "c3"]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths[4:8] == [figures.recall.value for figures in made.per_class.values()]


def test_learning_curves_pair_training_with_validation_and_mark_the_best_epoch() -> None:
    figure = learning_figure(HISTORY)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    assert "least validation loss in epoch 2" in " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("labels", [["犬", "كلب"], ["a$b$", "x_{y}^2"], ["\u00e9" * 64, "b"]])
def test_any_label_can_be_drawn(labels: list[str], tmp_path: Path) -> None:
    case = ([0, 1, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), labels, ["x", "y", "z"])
    assert len(write_plots(report(case), tmp_path, history=None)) == 7


@pytest.mark.parametrize(("samples", "classes"), [(1, 3), (300, 62)])
def test_very_small_and_very_large_reports_can_be_drawn(
    random_case: Callable[..., Any], tmp_path: Path, samples: int, classes: int
) -> None:
    assert len(write_plots(report(random_case(samples, classes, 1)), tmp_path, history={"loss": [1.0]})) == 8


def test_threads_draw_at_once(random_case: Callable[..., Any], tmp_path: Path) -> None:
    made = report(random_case(40, 3))
    with ThreadPoolExecutor(3) as pool:
        written = list(pool.map(lambda n: write_plots(made, tmp_path / str(n), history=None), range(3)))
    assert len({tuple(file.read_bytes() for file in files) for files in written}) == 1
