"""Models that are not trusted yet answer from worker processes of their own: one that kills or hangs its process
takes nobody with it."""

from serving.isolation.answers import ArmFault, IsolatedAnswer
from serving.isolation.arm import IsolatedArm

__all__ = ["ArmFault", "IsolatedAnswer", "IsolatedArm"]
