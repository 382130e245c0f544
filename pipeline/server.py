"""Puts a server together: the parts that serving needs, the worker supervisor and the schedule beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecosight.config import Config

if TYPE_CHECKING:
    from ab_testing.controller import RolloutController
    from pipeline.wiring import Workbench
    from serving.parts import ServingParts

__all__ = ["rollout_controller", "serve_forever", "serving_parts"]


def serve_forever(config: Config, *, config_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises: ConfigError: bound beyond loopback without API keys.
    """
    from pipeline.wiring import open_workbench
    from serving.server import run_server

    with open_workbench(config) as bench:
        run_server(serving_parts(bench, config_file=config_file))


def serving_parts(bench: Workbench, *, config_file: Path | None) -> ServingParts:
    """What a server is made of, over the parts of one project."""
    from pipeline.schedule import RetrainingSchedule
    from pipeline.work import WorkerSupervisor
    from serving.parts import BackgroundTask, ServingParts
    from training.retraining import check_trigger

    settings = bench.config.retraining

    def trigger() -> tuple[bool, int]:
        return check_trigger(bench.samples, bench.retrainings, settings.min_new_samples)

    background: list[BackgroundTask] = [rollout_controller(bench)]
    if bench.config.serving.run_jobs:
        background.append(WorkerSupervisor(bench.jobs, config_file=config_file))
    if settings.schedule:
        background.append(RetrainingSchedule(settings.schedule, jobs=bench.jobs, trigger=trigger, clock=bench.clock))
    return ServingParts(
        config=bench.config,
        clock=bench.clock,
        source=bench.registry,
        modality=bench.modality,
        intake=bench.intake,
        samples=bench.samples,
        predictions=bench.predictions,
        jobs=bench.jobs,
        retrainings=bench.retrainings,
        check_trigger=trigger,
        store_checks=bench.store_checks(),
        rollouts=bench.rollout_service,
        rollout_records=bench.rollout_records,
        routings=bench.routings,
        servers=bench.servers,
        exposures=bench.exposure_log,
        background=tuple(background),
    )


def rollout_controller(bench: Workbench) -> RolloutController:
    """What leads rollouts, in whichever server leads."""
    from ab_testing.controller import RolloutController
    from ecosight.ids import new_id
    from ecosight.state.leadership import Leadership
    from pipeline.rollback_actions import live_actions
    from rollback.executor import RollbackExecutor
    from rollback.triggers import check_health

    holder = new_id("controller")
    actions = live_actions(bench)
    executor = RollbackExecutor(
        bench.incidents, actions, clock=bench.clock, trigger_of=actions.trigger_of, writer=holder
    )
    return RolloutController(
        leadership=Leadership(bench.db, "rollouts", holder, bench.clock),
        rollouts=bench.rollouts,
        routings=bench.routings,
        exposures=bench.exposures,
        servers=bench.servers,
        registry=bench.registry,
        clock=bench.clock,
        check_health=check_health,
        roll_back=executor,
        keep_exposures_days=bench.config.ab_testing.keep_exposures_days,
    )
