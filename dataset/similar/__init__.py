"""Copies among samples: found, joined into clusters, and looked for on both sides of a split."""

from dataset.similar.gap import SplitGap, split_gap
from dataset.similar.leaks import LeakReport, leak_check, units
from dataset.similar.search import find_duplicates
from dataset.similar.store import FingerprintStore
from dataset.similar.values import Cluster, DuplicateReport, SampleRow, SimilarPair, Unreadable

__all__ = [
    "Cluster",
    "DuplicateReport",
    "FingerprintStore",
    "LeakReport",
    "SampleRow",
    "SimilarPair",
    "SplitGap",
    "Unreadable",
    "find_duplicates",
    "leak_check",
    "split_gap",
    "units",
]
