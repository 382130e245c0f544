"""Models compared on the same test part: what differs, whether that is more than chance, and where."""

from evaluation.comparing.comparator import ModelComparator
from evaluation.comparing.comparing import compare
from evaluation.comparing.comparison import Comparison, Contrast, Disagreement, ModelFigures, Pair, Slice
from evaluation.comparing.correcting import CORRECTIONS
from evaluation.comparing.telling import comparison_lines

__all__ = [
    "CORRECTIONS",
    "Comparison",
    "Contrast",
    "Disagreement",
    "ModelComparator",
    "ModelFigures",
    "Pair",
    "Slice",
    "compare",
    "comparison_lines",
]
