"""Owns what ``python rollback/manager.py`` understands and prints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ecosight.config import load_config
from ecosight.errors import EcosightError, exit_code
from rollback.deployment import Deployment, told
from rollback.manager import RollbackManager

__all__ = ["main"]

TAKEN_BACK = 8
"""Exit code of a watch that ended with a rollback: that of everything that was refused."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The script. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        config = load_config(options.config)
        with RollbackManager(
            options.health_check_interval,
            options.performance_threshold,
            options.error_rate_threshold,
            False if options.no_auto_rollback else None,
            config=config,
        ) as manager:
            return _run(manager, options)
    except EcosightError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return exit_code(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollback/manager.py", description="Deploy a model, ready to be taken back.")
    parser.add_argument("--deploy", metavar="MODEL", help="a version, an alias, or models:/NAME/VERSION")
    parser.add_argument("--previous", metavar="MODEL", help="what has to answer now, and is gone back to")
    parser.add_argument("--strategy", metavar="NAME", help="canary, blue-green, …")
    parser.add_argument("--monitor", action="store_true", help="watch to the end; exit code 8 if it was taken back")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop watching after so long")
    parser.add_argument("--rollback", action="store_true", help="take the new model back now")
    parser.add_argument("--gradual", action="store_true", help="with --rollback: by degrees instead of at once")
    parser.add_argument("--why", default="", help="the reason, for the record")
    parser.add_argument("--history", action="store_true", help="models that were taken back")
    parser.add_argument("--unlatch", metavar="INCIDENT", help="let a model that was taken back be tried again")
    parser.add_argument("--health-check-interval", type=float, metavar="SECONDS", help="between two looks")
    parser.add_argument("--performance-threshold", type=float, metavar="SHARE", help="least accuracy, of the old one's")
    parser.add_argument("--error-rate-threshold", type=float, metavar="SHARE", help="most clients with an error")
    parser.add_argument("--no-auto-rollback", action="store_true", help="pause and ask a person instead")
    parser.add_argument("--config", metavar="FILE", help="configuration file [config.yaml]")
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    return parser


def _run(manager: RollbackManager, options: argparse.Namespace) -> int:
    if options.unlatch:
        incident = manager.unlatch(options.unlatch)
        _print({"unlatched": str(incident.model), "incident": incident.id}, options.json)
        return 0
    if options.history:
        for each in manager.history():
            when = f"{each.opened_at:%Y-%m-%d %H:%M:%S}"
            _print({"incident": each.id, "at": when, "model": str(each.model), **_cause(each.trigger)}, options.json)
        return 0
    if options.deploy:
        deployment = manager.deploy(options.deploy, options.previous, strategy=options.strategy)
    elif options.rollback:
        deployment = manager.rollback(options.why, gradual=options.gradual)
    else:
        deployment = manager.status()
    if not options.monitor:
        _print(told(deployment), options.json)
        return 0
    return _watch(manager, deployment, options)


def _watch(manager: RollbackManager, deployment: Deployment, options: argparse.Namespace) -> int:
    def on_look(seen: Deployment) -> None:
        if not seen.servers:
            print("no server answers now, so nothing moves: ecosight serve", file=sys.stderr)
        _print(told(seen), options.json)

    last = manager.monitor(deployment, timeout_s=options.timeout, on_look=on_look)
    return TAKEN_BACK if last.state in ("rolling_back", "rolled_back") else 0


def _cause(trigger: Any) -> dict[str, str]:
    return {"trigger": str(trigger.get("name", "")), "observed": str(trigger.get("observed", ""))}


def _print(facts: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, default=str), flush=True)
    else:
        shown = (f"{name} {value}" for name, value in facts.items() if value not in (None, [], ""))
        print("; ".join(shown), flush=True)
