"""What comes of asking an isolated model: its answer, or a fault. Nothing that a worker process says is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecosight.errors import InputError, from_dict
from ecosight.rollouts import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ArmFault", "IsolatedAnswer", "read_answer"]


class ArmFault(Exception):
    """The arm did not answer; somebody else should."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedAnswer:
    """float32 (classes,) in the order of ``labels``, and the file's SHA-256."""

    sample_id: str
    probabilities: NDArray[np.float32]
    labels: tuple[str, ...]


def read_answer(header: Mapping[str, Any], body: bytes, labels: tuple[str, ...]) -> IsolatedAnswer | Exception:
    """What a frame of the process says: an answer, an ``InputError`` (it refuses the file), or an ``ArmFault``."""
    try:
        return _read(header, body, labels)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return ArmFault("error", f"its answer cannot be read: {error!r}")


def _read(header: Mapping[str, Any], body: bytes, labels: tuple[str, ...]) -> IsolatedAnswer | Exception:
    import numpy as np

    if "refused" in header:
        error = from_dict(header["refused"])
        return error if isinstance(error, InputError) else ArmFault("error", error.message)
    if "fault" in header:
        fault: Fault = "non_finite" if header["fault"] == "non_finite" else "error"
        return ArmFault(fault, str(header.get("message", "")))
    values = np.frombuffer(body, "<f4")
    if values.shape != (len(labels),):
        return ArmFault("error", f"it gave {len(values)} values for {len(labels)} labels")
    if not np.isfinite(values).all():
        return ArmFault("non_finite", "it gave values that are not finite")
    return IsolatedAnswer(sample_id=str(header["sample_id"]), probabilities=values, labels=labels)
