"""How good a detector is: boxes against boxes, by the rules of COCO, with error types as TIDE names them."""

from evaluation.detection.boxes import FoundBoxes, TrueBoxes
from evaluation.detection.measuring import evaluate_detection
from evaluation.detection.report import DetectionReport

__all__ = ["DetectionReport", "FoundBoxes", "TrueBoxes", "evaluate_detection"]
