"""What a server is put together from; made by the wiring, used by every route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ab_testing.records import RolloutRecords
    from ab_testing.service import RolloutService
    from dataset.intake import Intake
    from ecosight.config import Config
    from ecosight.ports import Clock, Modality, ModelSource
    from ecosight.state.exposures import ExposureLog
    from ecosight.state.jobs import JobQueue
    from ecosight.state.predictions import PredictionLog
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.routings import RoutingStore
    from ecosight.state.samples import SampleStore
    from ecosight.state.servers import Servers

__all__ = ["BackgroundTask", "ServingParts"]


class BackgroundTask(Protocol):
    """Something that lives as long as the server does, such as the supervisor of the job worker."""

    def start(self) -> None:
        """Begin; must not block."""
        ...

    def stop(self) -> None:
        """End in order; may block for as long as that takes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParts:
    """The parts of one server. It owns none of them: whoever made them closes them after it.

    Attributes:
        check_trigger: whether enough new recordings came in since the last training, and how many did.
        store_checks: by name, calls that raise Unavailable while a store cannot be reached.
        rollouts, rollout_records: for the routes about rollouts; None: those answer 503.
        routings, servers, exposures: what a rollout needs here; None: the champion always answers.
        background: started after the model holder, stopped in reverse order before it.
    """

    config: Config
    clock: Clock
    source: ModelSource
    modality: Modality
    intake: Intake
    samples: SampleStore
    predictions: PredictionLog
    jobs: JobQueue
    retrainings: RetrainingLog
    check_trigger: Callable[[], tuple[bool, int]]
    store_checks: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    rollouts: RolloutService | None = None
    rollout_records: RolloutRecords | None = None
    routings: RoutingStore | None = None
    servers: Servers | None = None
    exposures: ExposureLog | None = None
    background: Sequence[BackgroundTask] = ()
