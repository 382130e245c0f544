"""Engines that compute the graph of a sound model, one file each, and the choice between them.

An engine answers with the same labels as the TensorFlow model on the artifact's own examples, or it is refused.
"""

from modalities.sound.engines.choice import ENGINES, Engine, Opened, open_engine

__all__ = ["ENGINES", "Engine", "Opened", "open_engine"]
