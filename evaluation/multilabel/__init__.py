"""How good a model is whose answer may be several labels at once, or none."""

from evaluation.multilabel.measuring import evaluate_multilabel
from evaluation.multilabel.report import MultilabelReport
from evaluation.multilabel.thresholds import choose_thresholds

__all__ = ["MultilabelReport", "choose_thresholds", "evaluate_multilabel"]
