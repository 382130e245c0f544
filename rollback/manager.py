"""The face of rollbacks: deploy a model with protection, watch it, take it back. Also runs as a script.

``python rollback/manager.py --deploy models:/ecosight/8 --previous models:/ecosight/7 --monitor``

The servers do the work: one of them leads, looks every second, and takes a bad model back whether or not anybody
watches here.
"""

from __future__ import annotations

import getpass
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from ecosight.clock import SystemClock
from ecosight.config import Config, load_config
from ecosight.errors import Conflict, InvalidInput
from ecosight.rollouts import Incident
from rollback.deployment import Deployment
from rollback.executor import RollbackExecutor
from rollback.incidents import IncidentLogger
from rollback.thresholds import HealthChecker, ThresholdMonitor

if TYPE_CHECKING:
    from ab_testing.service import RolloutService
    from ecosight.ports import Clock

__all__ = [
    "Deployment",
    "HealthChecker",
    "IncidentLogger",
    "RollbackExecutor",
    "RollbackManager",
    "ThresholdMonitor",
]

POLL_S = 1.0


class RollbackManager:
    """Deploys models with rollback protection. Owns its connections: close it, or use ``with``.

    Args:
        health_check_interval: seconds between two looks that ``monitor`` tells; None: as configured.
        performance_threshold: least accuracy, as a share of the old model's; None: as configured.
        error_rate_threshold: most clients with an error, as a share; None: as configured.
        auto_rollback: whether it is taken back without a person; None: as configured.
        config: None reads ``config.yaml`` and the environment.
    """

    def __init__(
        self,
        health_check_interval: float | None = None,
        performance_threshold: float | None = None,
        error_rate_threshold: float | None = None,
        auto_rollback: bool | None = None,
        *,
        config: Config | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config or load_config()
        told = self.config.rollback
        self._interval_s = _given(health_check_interval, told.health_check_interval)
        if not 0 < self._interval_s < math.inf:
            raise InvalidInput(f"health_check_interval is a time above 0 s, not {self._interval_s}")
        self.thresholds = ThresholdMonitor(
            performance_threshold=_given(performance_threshold, told.performance_threshold),
            error_rate_threshold=_given(error_rate_threshold, told.error_rate_threshold),
        )
        self._auto = told.auto_rollback if auto_rollback is None else auto_rollback
        self._clock: Clock = clock or SystemClock()
        self._open()

    def deploy(
        self, new_model: str, previous_model: str | None = None, *, strategy: str | None = None, **policy: Any
    ) -> Deployment:
        """Let a model in by degrees, ready to be taken back.

        Args:
            new_model: a version (``8``), an alias (``challenger``) or a ``models:/`` URI.
            previous_model: what is gone back to. It has to be what answers now; None takes that.
            strategy: ``canary``, ``blue-green``, …; None: as configured.
            policy: further differences of the policy.
        Raises: NotFound: no such model. Conflict: another model answers now, or a rollout is under way. Refused: the
            new model was taken back before.
        """
        if previous_model is not None:
            self._check_previous(previous_model)
        rollout = self._service.start(
            candidate=new_model,
            strategy=strategy or self.config.ab_testing.strategy,
            policy={**self.thresholds.as_policy(), "auto_rollback": self._auto, **policy},
            actor=_actor(),
        )
        return self.status(rollout.id)

    def monitor(
        self,
        deployment: Deployment | str | None = None,
        *,
        timeout_s: float | None = None,
        on_look: Callable[[Deployment], None] | None = None,
    ) -> Deployment:
        """Watch a deployment to its end, and tell each look.

        Args:
            deployment: None: the newest.
            timeout_s: stop watching after so long; what is under way goes on.
            on_look: called at the first look, at each interval and at the end.
        Returns: as it was at the last look.
        """
        identity = deployment.id if isinstance(deployment, Deployment) else deployment
        began = self._clock.monotonic()
        told_at: float | None = None
        while True:
            seen, now = self.status(identity), self._clock.monotonic()
            ended = seen.finished or (timeout_s is not None and now - began >= timeout_s)
            if on_look is not None and (told_at is None or ended or now - told_at >= self._interval_s):
                on_look(seen)
                told_at = now
            if ended:
                return seen
            self._clock.sleep(min(POLL_S, self._interval_s))

    def rollback(self, why: str = "", *, gradual: bool = False) -> Deployment:
        """Take the new model back now; with no rollout under way, the champion, for the one before it.

        Args:
            gradual: by degrees, as its policy says, else in equal parts; for one that does no harm.
        Raises: NotFound: there is nothing to go back to. Refused: gradually, where no candidate answers.
        """
        return self.status(self._service.roll_back(actor=_actor(), why=why, by_degrees=gradual).id)

    def status(self, rollout_id: str | None = None) -> Deployment:
        """A deployment as it is now; the newest where no id is given. Raises: NotFound."""
        from ecosight.state.documents import rollout_from
        from rollback.incidents import incident_id

        rollout = rollout_from(self._service.status(rollout_id)["rollout"])
        return Deployment(
            rollout=rollout,
            health=self.health.latest(rollout.id),
            servers=len(self._servers.live(self._clock.now())),
            incident=self._incidents.get(incident_id(rollout.id)),
        )

    def history(self, limit: int = 20) -> list[Incident]:
        """Models that were taken back, newest first."""
        return self.incidents.history(limit)

    def unlatch(self, incident_id: str) -> Incident:
        """Let a model that was taken back be tried again. Raises: NotFound."""
        return self._incidents.unlatch(incident_id, _actor())

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        from ab_testing.service import RolloutService
        from ecosight.state.database import open_database
        from ecosight.state.incidents import Incidents
        from ecosight.state.rollouts import RolloutStore
        from ecosight.state.routings import RoutingStore
        from ecosight.state.servers import Servers
        from mlflow_integration.opening import open_registry

        self._database = open_database(self.config.database_url)
        rollouts = RolloutStore(self._database)
        self._incidents, self._servers = Incidents(self._database), Servers(self._database)
        self._service: RolloutService = RolloutService(
            rollouts=rollouts,
            routings=RoutingStore(self._database),
            incidents=self._incidents,
            registry=open_registry(self.config),
            clock=self._clock,
            config=self.config,
        )
        self.health = HealthChecker(rollouts)
        self.incidents = IncidentLogger(self._incidents, clock=self._clock)

    def _check_previous(self, name: str) -> None:
        previous, champion = self._service.model(name), self._service.model("champion")
        if previous.digest != champion.digest:
            raise Conflict(
                f"{champion} answers now, not {previous}",
                hint="A rollback restores what answered before; leave previous_model out to take that.",
            )


def _given(value: float | None, configured: float) -> float:
    return configured if value is None else value


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "rollback"


if __name__ == "__main__":
    from rollback.script import main

    sys.exit(main())
