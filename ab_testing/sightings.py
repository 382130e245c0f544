"""What was seen of one arm: by key, where it is compared with another, and by request, where it is not."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

from ab_testing.evidence import FailingKeys
from ab_testing.firsts import Firsts, KeyStages

__all__ = ["ArmSightings", "ArmTotals"]


@dataclass(slots=True)
class ArmSightings:
    """What arms are compared by, of one span of time.

    ``wrong`` follows from ``wrong_answers``: the stages of a key's answers that are wrong as far as is known.
    ``first_answers`` ranks by (stage, moment, bucket of latency) and counts by (stage, bucket).
    """

    met: KeyStages = field(default_factory=KeyStages)
    failed: KeyStages = field(default_factory=KeyStages)
    answered: KeyStages = field(default_factory=KeyStages)
    slow: KeyStages = field(default_factory=KeyStages)
    labelled: KeyStages = field(default_factory=KeyStages)
    wrong: KeyStages = field(default_factory=KeyStages)
    wrong_answers: dict[str, dict[str, int]] = field(default_factory=dict)
    first_answers: Firsts[tuple[int, int]] = field(default_factory=Firsts)
    latency: Counter[int] = field(default_factory=Counter)

    def judge(self, key: str, answer: str, stage: int, *, wrong: bool) -> None:
        """An answer of a key is wrong, or right; what was said of it before does not count any more."""
        if wrong:
            self.wrong_answers.setdefault(key, {})[answer] = stage
        elif key in self.wrong_answers:
            self.wrong_answers[key].pop(answer, None)
        self.wrong.forget(key)
        if left := self.wrong_answers.get(key):
            self.wrong.note(key, min(left.values()))


@dataclass(slots=True)
class KeyFailures:
    """Requests by key, and those of them that failed."""

    asked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def meet(self, key: str, *, failed: bool) -> None:
        self.asked[key] += 1
        if failed:
            self.failed[key] += 1

    def told(self) -> FailingKeys:
        failed = sum(count / self.asked[key] for key, count in self.failed.items())
        return FailingKeys(len(self.asked), round(failed, 6))  # in whatever order they were added up


@dataclass(slots=True)
class ArmTotals:
    """What is known of one arm by itself. ``since`` leaves stage 0 out, ``reference`` counts its latencies by bucket;
    ``recent`` holds (moment, failed)."""

    stages: dict[int, KeyFailures] = field(default_factory=dict)
    since: KeyFailures = field(default_factory=KeyFailures)
    reference: Counter[int] = field(default_factory=Counter)
    recent: deque[tuple[datetime, bool]] = field(default_factory=deque)
    requests: int = 0
    non_finite: int = 0
    last_at: datetime | None = None

    def meet(self, key: str, stage: int, at: datetime, *, fault: str, copy: bool) -> None:
        """A request that this arm was to answer, or a copy that a shadow got of it."""
        self.requests += 1
        self.recent.append((at, bool(fault)))
        self.stages.setdefault(stage, KeyFailures()).meet(key, failed=bool(fault))
        if stage and not copy:
            self.since.meet(key, failed=bool(fault))
        if fault:
            self.non_finite += fault == "non_finite"
        else:
            self.last_at = max(self.last_at or at, at)
