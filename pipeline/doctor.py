"""Examines a project: what is configured, reachable and writable, and what to do about what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from ecosight.config import Config
from ecosight.errors import EcosightError
from ecosight.health import Check, kernel_checks

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["Check", "examine"]

Part = TypeVar("Part")


def examine(config: Config) -> list[Check]:
    """Look at everything that the configuration names. Never raises: what fails is a failed check."""
    from pipeline.wiring import Workbench

    with Workbench(config) as bench:
        return list(_checks(bench))


def _checks(bench: Workbench) -> Iterator[Check]:
    failed: list[Check] = []
    database = _opened("database", lambda: bench.db, failed)
    blobs = _opened("blob store", lambda: bench.blobs, failed)
    yield from kernel_checks(bench.config, database, blobs)
    yield from failed
    yield _look("embedder", lambda: _embedder(bench))
    yield _look("mlflow", lambda: _registry(bench))
    if database is not None:
        yield _look("jobs", lambda: _jobs(bench))
    yield _look("api keys", lambda: _keys(bench.config))
    yield from _unread(bench.config)


def _opened(name: str, make: Callable[[], Part], failed: list[Check]) -> Part | None:
    try:
        return make()
    except EcosightError as error:
        failed.append(Check(name=name, ok=False, detail=error.message, hint=error.hint))
        return None


def _look(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except EcosightError as error:
        return Check(name=name, ok=False, detail=error.message, hint=error.hint)


def _embedder(bench: Workbench) -> str:
    embedder = bench.modality.embedder()
    return f"{bench.modality.name}, {embedder.name}, {embedder.dimension} values, digest {embedder.digest[:12]}"


def _registry(bench: Workbench) -> str:
    bench.registry.check()
    return f"{bench.config.tracking_uri}, champion: {bench.registry.champion() or 'none yet'}"


def _jobs(bench: Workbench) -> str:
    running, waiting = bench.jobs.jobs(status="running"), bench.jobs.jobs(status="queued")
    return f"{len(running)} running, {len(waiting)} waiting"


def _keys(config: Config) -> str:
    from serving.security import check_binding

    return check_binding(config)


def _unread(config: Config) -> Iterator[Check]:
    """Sections that were set although no room reads them yet: no fault, but said."""
    from pipeline.settings_file import UNREAD

    given = [name for name in sorted(config.model_fields_set) if name in UNREAD]
    if given:
        yield Check(name="not read yet", ok=True, detail=f"{', '.join(given)}: accepted, without effect so far")
