"""What a rollback needs of this project: who asks the restored model, whom to tell, and what the models learnt from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ecosight.clock import iso
from ecosight.errors import Unavailable
from ecosight.rollouts import CHAMPION
from ecosight.values import ModelRef
from pipeline.training_data import dataset_diff
from rollback.actions import Alert, ProbeReport
from rollback.live import LiveActions, tell_log

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["live_actions"]


def live_actions(bench: Workbench) -> LiveActions:
    """The actions of a rollback over the parts of one project."""
    return LiveActions(
        database=bench.db,
        rollouts=bench.rollouts,
        routings=bench.routings,
        servers=bench.servers,
        exposures=bench.exposures,
        clock=bench.clock,
        prober=lambda model: _probe(bench, model),
        folder=bench.config.root / "incidents",
        tell=lambda alert: _tell(bench, alert),
        dataset_diff=lambda restored, taken_back: dataset_diff(bench.registry, bench.datasets, restored, taken_back),
        config_hash=hashlib.sha256(bench.config.model_dump_json().encode()).hexdigest(),
    )


def _probe(bench: Workbench, model: ModelRef) -> ProbeReport:
    """What every server found when it asked its champion about the model's own examples, at the newest epoch.

    Raises: Unavailable: a server has not got so far yet.
    """
    epoch = bench.routings.epoch()
    servers = bench.servers.live(bench.clock.now())
    probes = [server.arms.get(CHAMPION, {}) for server in servers]
    if not servers or any(probe.get("epoch", 0) < epoch for probe in probes):
        raise Unavailable("not every server has probed its champion at this epoch yet", hint="It is tried again.")
    restored = [probe.get("digest") == model.digest for probe in probes]
    failures = [str(probe["error"]) for probe in probes if probe.get("error")]
    failures += [f"{probe.get('model')} answers" for probe, right in zip(probes, restored, strict=True) if not right]
    return ProbeReport(
        sent=len(probes),
        answered=sum(not probe.get("error") for probe in probes),
        restored=sum(restored),
        slowest_ms=max(float(probe.get("probe_ms", 0)) for probe in probes),
        failures=tuple(failures),
    )


def _tell(bench: Workbench, alert: Alert) -> Sequence[str]:
    """The log, and ``alerts.jsonl`` under the project's root, which dashboards and log shippers read; once each."""
    file = bench.config.root / "alerts.jsonl"
    told = {"at": iso(bench.clock.now()), "key": alert.key, "severity": alert.severity}
    told |= {"title": alert.title, "text": alert.text}
    try:
        text = file.read_text("utf-8", errors="replace") if file.exists() else ""
        if alert.key not in _told_keys(text):
            torn = "\n" if text and not text.endswith("\n") else ""
            with file.open("a", encoding="utf-8") as stream:
                stream.write(torn + json.dumps(told) + "\n")
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
    return [*tell_log(alert), file.name]


def _told_keys(text: str) -> set[str]:
    """Of the alerts in the file. A line that a kill or a full disk cut off, or that others wrote, is none."""
    keys = set()
    for line in text.splitlines():
        with suppress(ValueError, TypeError, LookupError):
            keys.add(str(json.loads(line)["key"]))
    return keys
