"""The kinds of rules: what each looks for in what was measured, and what it says about what was found."""

from evaluation.gates.rules.kind import FIRST, Finding, Kind, Options
from evaluation.gates.rules.latency import LATENCY
from evaluation.gates.rules.limits import CALIBRATION, METRIC
from evaluation.gates.rules.margins import MARGIN
from evaluation.gates.rules.of_classes import CLASS_FALL, CLASS_FLOOR
from evaluation.gates.rules.slices import SLICE_FLOOR
from evaluation.gates.rules.test_part import TEST_SIZE

__all__ = ["FIRST", "KINDS", "Finding", "Kind", "Options"]

KINDS: dict[str, Kind] = {
    "metric": METRIC,
    "margin": MARGIN,
    "class_floor": CLASS_FLOOR,
    "class_fall": CLASS_FALL,
    "slice_floor": SLICE_FLOOR,
    "calibration": CALIBRATION,
    "latency": LATENCY,
    "test_size": TEST_SIZE,
}
"""Kind -> what to do; the numbers of each are those of ``ecosight.config.gates``."""
