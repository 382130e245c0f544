"""What was seen of one arm, by key: each key stands with the stage of its first event of a kind."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["ArmSightings", "note_first"]


@dataclass(slots=True)
class ArmSightings:
    """Maps from keys to stages; ``latency`` and ``reference`` count by bucket, ``recent`` holds (moment, failed)."""

    met: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    slow: dict[str, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    label: dict[str, str] = field(default_factory=dict)
    stage_keys: dict[int, set[str]] = field(default_factory=dict)
    stage_failed: dict[int, set[str]] = field(default_factory=dict)
    latency: Counter[int] = field(default_factory=Counter)
    reference: Counter[int] = field(default_factory=Counter)
    recent: deque[tuple[datetime, bool]] = field(default_factory=deque)
    requests: int = 0
    non_finite: int = 0
    last_at: datetime | None = None


def note_first(stages: dict[str, int], key: str, stage: int) -> None:
    """Rows may come out of order: the first event is the one of the lowest stage."""
    known = stages.get(key)
    if known is None or stage < known:
        stages[key] = stage
