"""What recorded traffic looked like: how much, how it spreads over keys, how often it was labelled and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ecosight.errors import NotEnoughData

if TYPE_CHECKING:
    from ecosight.state.database import Database

__all__ = ["RecordedFailures", "RecordedTraffic", "read_failures", "read_traffic"]

LEAST = 100
"""Fewer requests say nothing about a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTraffic:
    """Attributes:
    seconds: between the first request and the last.
    keys_by_requests: (requests of a key, how many keys had so many), by rising requests.
    labelled, wrong: requests whose truth is known, and those of them that were answered wrongly.
    """

    requests: int
    seconds: float
    keys_by_requests: tuple[tuple[int, int], ...]
    labelled: int
    wrong: int

    @property
    def requests_per_s(self) -> float:
        return self.requests / max(self.seconds, 1.0)

    @property
    def keys(self) -> int:
        return sum(keys for _, keys in self.keys_by_requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFailures:
    """Keys of the control, the champion's model in processes like a candidate's, and those that met a failure."""

    keys: int
    failed: int

    @property
    def rate(self) -> float:
        """With half a failure more: none in a few thousand keys does not mean that there never is one (Jeffreys)."""
        return (self.failed + 0.5) / (self.keys + 1)


def read_failures(database: Database, *, since: datetime) -> RecordedFailures | None:
    """How often keys met a failure of a good model, in the rollouts from a moment on; None: too few keys to say.

    Raises: Unavailable.
    """
    from sqlalchemy import distinct, func, select

    from ecosight.rollouts import CONTROL
    from ecosight.state.schema import exposures

    # Before stage 1 the control is loaded, and fails for that alone.
    compared = exposures.c.counted & (exposures.c.stage > 0)
    own = (exposures.c.at >= since) & (exposures.c.intended == CONTROL) & compared
    # A key is one unit in each rollout: there its first failure counts.
    unit = exposures.c.rollout_id + ":" + exposures.c.key
    keys = select(func.count(distinct(unit))).where(own)
    with database.read() as connection:
        met = connection.execute(keys).scalar_one()
        failed = connection.execute(keys.where(exposures.c.fault != "")).scalar_one()
    return RecordedFailures(keys=met, failed=failed) if met >= LEAST else None


def read_traffic(database: Database, *, since: datetime) -> RecordedTraffic:
    """The traffic from a moment on.

    Raises: NotEnoughData: hardly anything was asked since then. Unavailable.
    """
    from sqlalchemy import func, select

    from ecosight.state.schema import outcomes, predictions

    recent = predictions.c.made_at >= since
    whole = select(func.count(), func.min(predictions.c.made_at), func.max(predictions.c.made_at)).where(recent)
    per_key = select(func.count().label("requests")).where(recent).group_by(predictions.c.key).subquery()
    spread = select(per_key.c.requests, func.count()).group_by(per_key.c.requests).order_by(per_key.c.requests)
    joined = predictions.join(outcomes, outcomes.c.prediction_id == predictions.c.id)
    labelled = select(func.count()).select_from(joined).where(recent)
    with database.read() as connection:
        requests, first, last = connection.execute(whole).one()
        if requests < LEAST:
            raise NotEnoughData(
                f"{requests} requests were recorded in that time, fewer than {LEAST}",
                hint="Say how many you expect: --requests-per-s 50, or look further back with --days.",
            )
        return RecordedTraffic(
            requests=requests,
            seconds=(last - first).total_seconds(),
            keys_by_requests=tuple((many, keys) for many, keys in connection.execute(spread)),
            labelled=connection.execute(labelled).scalar_one(),
            wrong=connection.execute(labelled.where(predictions.c.label != outcomes.c.truth)).scalar_one(),
        )
