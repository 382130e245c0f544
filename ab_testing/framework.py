"""A/B tests in a few words: the face of this room, and a script.

    from ab_testing.framework import ABTestManager
    test = ABTestManager(test_name="v2", control_model="champion", treatment_model="2", traffic_split=0.1)
    test.start()
    test.get_status()["treatment_better"]

A model is named by its version, by an alias, or as ``models:/NAME/VERSION``. The test runs in the servers of the
project whose ``config.yaml`` lies in the working folder.
"""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ab_testing.evidence import Evidence
from ab_testing.router import Router
from ab_testing.service import RolloutService
from ab_testing.stats import ArmCounts, Moments, StatisticalAnalyzer, TestResult, Verdict
from ecosight.clock import SystemClock
from ecosight.config import Config, load_config
from ecosight.errors import Conflict, EcosightError, InvalidInput, exit_code
from ecosight.rollouts import BUCKETS, CHAMPION, Arm, Rollout, Routing
from ecosight.values import ModelRef

__all__ = ["ABTest", "ABTestManager", "MetricsCollector", "StatisticalAnalyzer", "TrafficSplitter"]

CONTROL, TREATMENT = "control", "treatment"


class TrafficSplitter:
    """Splits keys between control and treatment; a key always falls on the same side.

    Args:
        traffic_split: share of the treatment.
        salt: names the test: other tests split independently.
    """

    def __init__(self, traffic_split: float, salt: str = "") -> None:
        if not isinstance(traffic_split, (int, float)) or not 0 <= traffic_split <= 1:
            raise InvalidInput(f"a share lies between 0 and 1, not {traffic_split!r}")
        weight = round(traffic_split * BUCKETS)
        nobody = ModelRef(name="", version="", digest="")
        arms = (
            Arm(name=CONTROL, model=nobody, weight=BUCKETS - weight),
            Arm(name=TREATMENT, model=nobody, weight=weight),
        )
        made_at = SystemClock().now()
        self._router = Router(Routing(epoch=1, arms=arms, made_at=made_at, actor="", why="", salt=salt))
        self.traffic_split = traffic_split

    def assign(self, key: str) -> str:
        """``control`` or ``treatment``. Raises: InvalidInput: the key is no text."""
        if not isinstance(key, str):  # 7 and "7" would be two clients, or one, as whoever converts it likes
            raise InvalidInput(f"a key is text, not {key!r}", hint="Give str(key), the same way everywhere.")
        return self._router.assign(key).name


@dataclass
class MetricsCollector:
    """Counts what happened to keys of both sides. A key counts once, and is bad once.

    Attributes:
        share: of the treatment.
    """

    share: float
    _met: dict[str, set[str]] = field(default_factory=lambda: {CONTROL: set(), TREATMENT: set()})
    _bad: dict[str, set[str]] = field(default_factory=lambda: {CONTROL: set(), TREATMENT: set()})

    def record(self, variant: str, key: str, *, bad: bool = False) -> None:
        """One request of a key; ``bad``: it failed, or the answer was wrong."""
        if variant not in self._met:
            raise InvalidInput(f"a variant is {CONTROL} or {TREATMENT}, not {variant!r}")
        self._met[variant].add(key)
        if bad:
            self._bad[variant].add(key)

    def counts(self) -> ArmCounts:
        """For every procedure of ``StatisticalAnalyzer`` that compares rates."""
        control, treatment = ((len(self._met[name]), len(self._bad[name])) for name in (CONTROL, TREATMENT))
        return ArmCounts.at(self.share, control=control, candidate=treatment)


@dataclass(frozen=True, kw_only=True)
class ABTest:
    """What a test is: two models, a share, and a length."""

    test_name: str
    control_model: str
    treatment_model: str
    traffic_split: float = 0.1
    duration_hours: float = 24.0
    success_metric: str = "accuracy"

    def policy(self) -> dict[str, Any]:
        """Differences from the configured policy."""
        if not 0 < self.traffic_split < 1:
            raise InvalidInput(f"the treatment needs a share between 0 and 1, not {self.traffic_split}")
        return {"steps": [100 * self.traffic_split], "max_duration_s": 3600.0 * self.duration_hours}

    def compare(self, evidence: Evidence) -> TestResult:
        """Right answers of both sides, with an interval that may be looked at at any time."""
        counts = evidence.candidates[0].labels
        control, treatment = (
            Moments.of_share(units - min(bad, units), units)
            for units, bad in (
                (counts.control_units, counts.control_bad),
                (counts.candidate_units, counts.candidate_bad),
            )
        )
        return StatisticalAnalyzer().compare_means(control, treatment, name=self.success_metric)


class ABTestManager:
    """Runs one A/B test in the servers of a project.

    Args:
        control_model: must be the champion: a test compares with what answers now.
        traffic_split: share of the treatment; None: as configured.
        duration_hours: after so long a person is asked; None: as configured.
        success_metric: what the compared share of right answers is called in the result; None: as configured.
        config: None: ``config.yaml`` of the working folder.
    """

    def __init__(
        self,
        test_name: str,
        control_model: str,
        treatment_model: str,
        traffic_split: float | None = None,
        duration_hours: float | None = None,
        success_metric: str | None = None,
        *,
        config: Config | None = None,
    ) -> None:
        self._config = config if config is not None else load_config()
        told = self._config.ab_testing
        self.test = ABTest(
            test_name=test_name,
            control_model=control_model,
            treatment_model=treatment_model,
            traffic_split=told.traffic_split if traffic_split is None else traffic_split,
            duration_hours=told.duration_hours if duration_hours is None else duration_hours,
            success_metric=told.success_metric if success_metric is None else success_metric,
        )
        self.splitter = TrafficSplitter(self.test.traffic_split, salt=test_name)
        self._rollout_id: str | None = None

    def start(self) -> Rollout:
        """Begin. Raises: Conflict: the control is not what answers now, or another rollout is under way."""
        control, champion = self._service.model(self.test.control_model), self._service.model(CHAMPION)
        if control.digest != champion.digest:
            raise Conflict(f"{champion} answers now, not {control}", hint="The control of a test is the champion.")
        rollout = self._service.start(
            candidate=self.test.treatment_model, strategy="fixed", policy=self.test.policy(), actor=_actor()
        )
        self._rollout_id = rollout.id
        return rollout

    def get_status(self) -> dict[str, Any]:
        """``state``, ``treatment_better``, ``result`` with its interval, and what is ``missing`` to say more."""
        told = self._service.status(self._rollout_id)
        decision = told["last_decision"] or {}
        result = self.test.compare(Evidence.from_dict(decision["evidence"])) if decision.get("evidence") else None
        better = result is not None and result.verdict is Verdict.PASSED
        return {
            "test_name": self.test.test_name,
            "rollout_id": told["rollout"]["id"],
            "state": told["rollout"]["state"],
            "treatment_better": better,
            "result": result.as_dict() if result is not None else None,
            "missing": decision.get("verdict", {}).get("missing", []),
        }

    def promote(self, why: str = "") -> Rollout:
        """Let the treatment in. Raises: Conflict: the rollout that is under way is not of the treatment."""
        self._require_treatment()
        return self._service.promote(self._rollout_id, actor=_actor(), why=why or self.test.test_name)

    def rollback(self, why: str = "") -> Rollout:
        """Take the treatment back, also after it was promoted.

        Raises: Conflict: it does not answer any more, so another model would be taken back.
        """
        self._require_treatment()
        return self._service.roll_back(actor=_actor(), why=why or self.test.test_name)

    def _require_treatment(self) -> None:
        """What a wish would meet is the rollout under way, or else the champion: it has to be the treatment."""
        treatment = self._service.model(self.test.treatment_model)
        newest = next(iter(self._service.list(1)), None)
        if newest is not None and not newest.finished:
            met = list(newest.candidates.values())
        else:
            met = [self._service.model(CHAMPION)]
        if treatment.digest not in [model.digest for model in met]:
            raise Conflict(
                f"{treatment} does not answer any more; {', '.join(map(str, met))} would be met instead",
                hint="`ecosight rollout status` shows how the test ended.",
            )

    @cached_property
    def _service(self) -> RolloutService:
        from ecosight.state.database import open_database
        from ecosight.state.incidents import Incidents
        from ecosight.state.rollouts import RolloutStore
        from ecosight.state.routings import RoutingStore
        from mlflow_integration.opening import open_registry

        database = open_database(self._config.database_url)
        return RolloutService(
            rollouts=RolloutStore(database),
            routings=RoutingStore(database),
            incidents=Incidents(database),
            registry=open_registry(self._config),
            clock=SystemClock(),
            config=self._config,
        )


def main() -> int:
    """``python ab_testing/framework.py --control champion --treatment 2 --traffic-split 0.1 --duration 24``."""
    import argparse
    import json

    parser = argparse.ArgumentParser(
        prog="ab_testing/framework.py", description="Start an A/B test, or look at the one that runs. Prints JSON."
    )
    parser.add_argument("--name", default="test", help="what the test is called")
    parser.add_argument("--control", default=CHAMPION, metavar="MODEL", help="has to be what answers now [champion]")
    parser.add_argument("--treatment", metavar="MODEL", help="a version or an alias; without it, the status is shown")
    parser.add_argument(
        "--traffic-split", "--split", type=float, metavar="SHARE", help="of the treatment [ab_testing.traffic_split]"
    )
    parser.add_argument(
        "--duration", "--hours", type=float, metavar="HOURS", help="then a person is asked [ab_testing.duration_hours]"
    )
    parser.add_argument("--metric", metavar="NAME", help="what the result is called [ab_testing.success_metric]")
    parser.add_argument("--config", metavar="FILE", help="configuration file [config.yaml]")
    given = parser.parse_args()
    try:
        manager = ABTestManager(
            given.name,
            given.control,
            given.treatment or "",
            given.traffic_split,
            given.duration,
            given.metric,
            config=load_config(given.config),
        )
        if given.treatment:
            manager.start()
        print(json.dumps(manager.get_status(), indent=2))
    except EcosightError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return exit_code(error)
    return 0


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "A/B test"


if __name__ == "__main__":
    sys.exit(main())
