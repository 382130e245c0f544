"""How fast a servable model answers, and what it takes of the machine: measured in fresh processes."""

from evaluation.speed.measuring import Effort, measure_speed, samples_for_speed
from evaluation.speed.report import BatchSpeed, Ranged, SpeedReport, Timing, speed_lines

__all__ = [
    "BatchSpeed",
    "Effort",
    "Ranged",
    "SpeedReport",
    "Timing",
    "measure_speed",
    "samples_for_speed",
    "speed_lines",
]
