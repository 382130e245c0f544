"""What was seen of one arm: by key, where it is compared with another, and by request, where it is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from ab_testing.compared import FailingKeys
from ab_testing.firsts import Firsts, KeyStages

__all__ = ["ArmSightings", "ArmTotals", "KeyFailures"]


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
        return FailingKeys(len(self.asked), round(failed, 6), len(self.failed))  # in whatever order they were added up


@dataclass(slots=True)
class ArmSightings:
    """What arms are compared by, of one span of time.

    ``beside`` and ``alone``: requests while another arm answered too, and while none did.
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
    beside: KeyFailures = field(default_factory=KeyFailures)
    alone: KeyFailures = field(default_factory=KeyFailures)

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
class ArmTotals:
    """What is known of one arm by itself. ``reference`` counts latencies of stage 0 by bucket; ``recent`` holds
    (moment, key, failed), of the champion nothing: it answers most requests."""

    stages: defaultdict[int, KeyFailures] = field(default_factory=lambda: defaultdict(KeyFailures))
    reference: Counter[int] = field(default_factory=Counter)
    recent: list[tuple[datetime, str, bool]] = field(default_factory=list)
    requests: int = 0
    non_finite: int = 0
    last_at: datetime | None = None

    def meet(self, key: str, stage: int, at: datetime, *, fault: str) -> None:
        """A request that this arm was to answer, or a copy that a shadow got of it."""
        self.requests += 1
        self.stages[stage].meet(key, failed=bool(fault))
        if fault:
            self.non_finite += fault == "non_finite"
        else:
            self.last_at = max(self.last_at or at, at)
