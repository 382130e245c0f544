"""What was seen of one arm, by key: each key stands with the stage of its first event of a kind."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["ArmSightings", "note_first"]


@dataclass(slots=True)
class ArmSightings:
    """Maps from keys to stages; ``latency`` and ``reference`` count by bucket, ``recent`` holds (moment, failed).
    ``wrong`` follows from ``wrong_answers``: the stages of a key's answers that are wrong as far as is known.
    ``first_answer`` holds (stage, moment, bucket of latency), ``first_answers`` counts them by stage and bucket."""

    met: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    slow: dict[str, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    wrong_answers: dict[str, dict[str, int]] = field(default_factory=dict)
    stage_keys: dict[int, set[str]] = field(default_factory=dict)
    stage_failed: dict[int, set[str]] = field(default_factory=dict)
    first_answer: dict[str, tuple[int, datetime, int]] = field(default_factory=dict)
    first_answers: Counter[tuple[int, int]] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)
    reference: Counter[int] = field(default_factory=Counter)
    recent: deque[tuple[datetime, bool]] = field(default_factory=deque)
    requests: int = 0
    non_finite: int = 0
    last_at: datetime | None = None

    def answer(self, key: str, stage: int, at: datetime, bucket: int) -> None:
        """An answer of a key, which may be its first one."""
        answer, known = (stage, at, bucket), self.first_answer.get(key)
        if known is not None and known <= answer:
            return
        if known is not None:
            self.first_answers[known[0], known[2]] -= 1
        self.first_answer[key] = answer
        self.first_answers[stage, bucket] += 1

    def judge(self, key: str, answer: str, stage: int, *, wrong: bool) -> None:
        """An answer of a key is wrong, or right; what was said of it before does not count any more."""
        if wrong:
            self.wrong_answers.setdefault(key, {})[answer] = stage
        elif key in self.wrong_answers:
            self.wrong_answers[key].pop(answer, None)
        if left := self.wrong_answers.get(key):
            self.wrong[key] = min(left.values())
        else:
            self.wrong.pop(key, None)


def note_first(stages: dict[str, int], key: str, stage: int) -> None:
    """Rows may come out of order: the first event is the one of the lowest stage."""
    known = stages.get(key)
    if known is None or stage < known:
        stages[key] = stage
