"""Conformance suites: what every implementation of a port must do.

An adapter's test subclasses the suite of its port and gives the fixture that the suite's docstring names::

    class TestLocalBlobs(BlobStoreConformance):
        @pytest.fixture
        def store(self, tmp_path):
            return LocalBlobs(tmp_path)

They need pytest, which is no dependency of the product: ``pip install 'ecosight[dev]'``.
"""

from ecosight.testing.blob_store import BlobStoreConformance
from ecosight.testing.clock import ClockConformance, ManualClock
from ecosight.testing.embedder import EmbedderConformance
from ecosight.testing.fingerprinter import FingerprinterConformance
from ecosight.testing.leadership import LeadershipConformance
from ecosight.testing.modality import CompilingConformance, ModalityConformance
from ecosight.testing.model_source import ModelSourceConformance
from ecosight.testing.progress import ProgressConformance
from ecosight.testing.ref_store import RefStoreConformance
from ecosight.testing.routings import RoutingsConformance
from ecosight.testing.servable import ServableConformance
from ecosight.testing.servers import ServersConformance

__all__ = [
    "BlobStoreConformance",
    "ClockConformance",
    "CompilingConformance",
    "EmbedderConformance",
    "FingerprinterConformance",
    "LeadershipConformance",
    "ManualClock",
    "ModalityConformance",
    "ModelSourceConformance",
    "ProgressConformance",
    "RefStoreConformance",
    "RoutingsConformance",
    "ServableConformance",
    "ServersConformance",
]
