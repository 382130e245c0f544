"""Whether enough new recordings were accepted to train again: a pure decision over recorded counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from ecosight.state.retrainings import RetrainingLog, RetrainingRecord
    from ecosight.state.samples import SampleStore

__all__ = ["TriggerDecision", "check_trigger", "decide_trigger", "look_at_trigger", "replay_trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    """The verdict and all that it was made from.

    Attributes:
        due: whether to train now.
        new_samples: distinct labelled samples that the last finished training did not have.
        reason: one sentence.
        evidence: JSON-serialisable; ``replay_trigger`` makes the same decision from it.
    """

    due: bool
    new_samples: int
    reason: str
    evidence: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "due": self.due,
            "new_samples": self.new_samples,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }


def decide_trigger(accepted: int, last: RetrainingRecord | None, min_new_samples: int) -> TriggerDecision:
    """Decide from counts. Samples are known by their content and never leave, so counts say which are new.

    Args:
        accepted: distinct labelled samples there are now.
        last: the last finished training, promoted, rejected or failed: what it had is not new, else a training
            that fails would start itself again for ever. None: there was none; any sample at all starts the first.
        min_new_samples: threshold, >= 1.
    Raises: InvalidInput: the threshold is below 1.
    """
    seen = None if last is None else {"job_id": last.job_id, "verdict": last.verdict, "samples": last.total_samples}
    return replay_trigger({"accepted": accepted, "min_new_samples": min_new_samples, "last": seen})


def replay_trigger(evidence: Mapping[str, Any]) -> TriggerDecision:
    """The decision that a recorded evidence leads to."""
    accepted, threshold, last = evidence["accepted"], evidence["min_new_samples"], evidence["last"]
    if threshold < 1:
        raise InvalidInput(f"min_new_samples must be 1 or more, not {threshold}")
    if last is None:
        due, new = accepted > 0, accepted
        reason = f"first training, on {accepted} samples" if due else "there are no labelled samples yet"
    else:
        new = max(0, accepted - last["samples"])
        due = new >= threshold
        reason = f"{new} new samples since {last['job_id']}, {threshold} are needed"
    return TriggerDecision(due=due, new_samples=new, reason=reason, evidence=dict(evidence))


def look_at_trigger(samples: SampleStore, retrainings: RetrainingLog, min_new_samples: int) -> TriggerDecision:
    """Decide on what the stores hold now. Two small queries; fit to be asked on every upload."""
    accepted = sum(samples.counts_by_label().values())
    return decide_trigger(accepted, retrainings.latest(), min_new_samples)


def check_trigger(samples: SampleStore, retrainings: RetrainingLog, min_new_samples: int) -> tuple[bool, int]:
    """Whether to train now, and how many samples are new."""
    decision = look_at_trigger(samples, retrainings, min_new_samples)
    return decision.due, decision.new_samples
