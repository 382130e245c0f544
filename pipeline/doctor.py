"""Examines a project: what is configured, reachable and writable, and what to do about what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecosight.config import Config
from ecosight.errors import EcosightError

if TYPE_CHECKING:
    from pipeline.wiring import Workbench

__all__ = ["Check", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(config: Config) -> list[Check]:
    """Look at everything that the configuration names. Never raises: what fails is a failed check."""
    return list(_checks(config))


def _checks(config: Config) -> Iterator[Check]:
    from ecosight.health import kernel_checks
    from pipeline.wiring import Workbench

    bench = Workbench(config)
    try:
        yield Check(name="root", ok=True, detail=str(config.root))
        for found in kernel_checks(config):
            yield Check(name=found.name, ok=found.ok, detail=found.detail, hint=found.hint)
        yield _attempt("modality", lambda: _modality(bench))
        yield _attempt("embedder", lambda: _embedder(bench))
        yield _attempt("mlflow", lambda: _registry(bench))
        yield _attempt("jobs", lambda: _jobs(bench))
        yield _keys(config)
        yield from _unread(config)
    finally:
        bench.close()


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except EcosightError as error:
        return Check(name=name, ok=False, detail=error.message, hint=error.hint)
    except Exception as error:
        return Check(name=name, ok=False, detail=f"{type(error).__name__}: {error}", hint="Run with --debug.")


def _modality(bench: Workbench) -> str:
    return f"{bench.modality.name}"


def _embedder(bench: Workbench) -> str:
    embedder = bench.modality.embedder()
    return f"{embedder.name}, {embedder.dimension} values, digest {embedder.digest[:12]}"


def _registry(bench: Workbench) -> str:
    bench.registry.check()
    champion = bench.registry.champion()
    return f"{bench.config.tracking_uri}, champion: {champion or 'none yet'}"


def _jobs(bench: Workbench) -> str:
    running = bench.jobs.jobs(status="running")
    queued = bench.jobs.jobs(status="queued")
    return f"{len(running)} running, {len(queued)} waiting"


def _keys(config: Config) -> Check:
    from serving.security import check_binding

    return _attempt("api keys", lambda: check_binding(config))


def _unread(config: Config) -> Iterator[Check]:
    """Sections that were set although no room reads them yet: no fault, but said."""
    from pipeline.settings_file import UNREAD

    given = [name for name in sorted(config.model_fields_set) if name in UNREAD]
    if given:
        yield Check(name="not read yet", ok=True, detail=f"{', '.join(given)}: accepted, without effect so far")
