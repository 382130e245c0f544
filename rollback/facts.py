"""What a report needs to know of the requests of a rollout: how many, whose, and which samples a person should see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, distinct, func, select

from ecosight.state.database import Database
from ecosight.state.schema import exposures, outcomes, predictions

__all__ = ["ExposureFacts", "read_facts"]

_FAULTS = {
    "error": "it failed on it",
    "late": "it took too long over it",
    "crash": "its process died of it",
    "non_finite": "its numbers were not finite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureFacts:
    """Attributes:
    requests, keys: that the arm was meant to answer.
    failed_keys, wrong_keys: of these keys, those that met a failure, and an answer that is known to be wrong.
    review: the worst samples, worst first: ``sample_id``, ``prediction_id``, ``label``, ``champion_label``,
        ``truth``, ``why``. Each sample once.
    """

    requests: int
    keys: int
    failed_keys: int
    wrong_keys: int
    review: tuple[Mapping[str, Any], ...]


def read_facts(database: Database, rollout_id: str, arm: str, *, limit: int = 50) -> ExposureFacts:
    """Raises: Unavailable."""
    own = (exposures.c.rollout_id == rollout_id) & (exposures.c.intended == arm)
    different = func.count(distinct(exposures.c.key))
    counted = select(func.count(), different).where(own, exposures.c.counted)
    failed = select(different).where(own, exposures.c.counted, exposures.c.fault != "")
    told = exposures.join(outcomes, outcomes.c.prediction_id == exposures.c.prediction_id)
    wrong = select(different).select_from(told).where(own, exposures.c.counted, outcomes.c.truth != exposures.c.label)
    with database.read() as connection:
        requests, keys = connection.execute(counted).one()
        failed_keys, wrong_keys = (connection.execute(query).scalar_one() for query in (failed, wrong))
        rows = [
            *connection.execute(_samples().where(own, outcomes.c.truth != exposures.c.label).limit(limit)).mappings(),
            *connection.execute(_samples().where(own, exposures.c.fault != "").limit(limit)).mappings(),
        ]
    review: dict[str, dict[str, Any]] = {}
    for row in rows:
        review.setdefault(row["sample_id"], {**row, "why": _why(row)})
    shown = [{name: value for name, value in each.items() if name != "fault"} for each in review.values()]
    return ExposureFacts(
        requests=requests, keys=keys, failed_keys=failed_keys, wrong_keys=wrong_keys, review=tuple(shown[:limit])
    )


def _samples() -> Select[Any]:
    """Newest first."""
    joined = exposures.join(predictions, predictions.c.id == exposures.c.prediction_id).outerjoin(
        outcomes, outcomes.c.prediction_id == exposures.c.prediction_id
    )
    columns = (
        predictions.c.sample_id,
        exposures.c.prediction_id,
        exposures.c.label,
        exposures.c.champion_label,
        exposures.c.fault,
        outcomes.c.truth,
    )
    return select(*columns).select_from(joined).order_by(exposures.c.arrival.desc())


def _why(row: Mapping[str, Any]) -> str:
    return _FAULTS.get(row["fault"], "it could not be asked") if row["fault"] else "it was wrong"
