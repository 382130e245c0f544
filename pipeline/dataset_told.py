"""What the verbs about datasets share: options, versions as JSON, overrides in both directions, what models need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dataset.storing.manifests import VersionSummary
    from dataset.versions import DatasetRepository
    from pipeline.wiring import Workbench

__all__ = [
    "Branch",
    "Override",
    "Version",
    "folder_name",
    "names_of",
    "needed_by_models",
    "read_holdout",
    "read_overrides",
    "version_row",
]

Branch = Annotated[str, typer.Option("--branch", "-b", help="The line of versions.")]
Override = Annotated[
    list[str],
    typer.Option(
        "--override",
        metavar="RULE=REASON",
        help="Let group, near-duplicates, station or time be broken; unsearched: do not look for near-duplicates.",
    ),
]
Version = Annotated[
    str, typer.Argument(help="A number, v3, main@v3, v3~1, a branch, night:v2, a tag or a digest; default: the newest.")
]


def version_row(version: VersionSummary, shown: str) -> dict[str, Any]:
    """A version as JSON. ``shown`` is the name by which every verb finds it; see ``DatasetRepository.shown``."""
    return {
        "ref": shown,
        "name": version.ref.name,
        "version": version.ref.version,
        "digest": version.ref.digest,
        "parent": version.parent,
        "parents": list(version.parents),
        "message": version.message,
        "created_at": version.created_at.isoformat(),
        "class_counts": dict(version.class_counts),
        "part_counts": dict(version.part_counts),
        "scheme": dict(version.scheme),
        "overrides": [
            {"name": each.name, "reason": each.reason, "version": each.version, "count": each.count}
            for each in version.overrides
        ],
    }


def folder_name(dataset: str, shown: str) -> str:
    """The folder that a version is checked out to: ``main@v3``, or ``main@night@v3`` (in a path, a colon parts)."""
    return f"{dataset}@{shown.removeprefix(f'{dataset}@').replace(':', '@')}"


def read_holdout(given: Sequence[str]) -> dict[str, list[str]] | None:
    """``PART=STATION,…`` pairs, also several of one part. Raises: InvalidInput."""
    from ecosight.errors import InvalidInput

    found: dict[str, list[str]] = {}
    for each in given:
        part, _, told = each.partition("=")
        stations = [name for name in map(str.strip, told.split(",")) if name]
        if not stations:
            raise InvalidInput("--hold-out needs a part and stations", hint="Such as --hold-out test=north,creek.")
        found.setdefault(part.strip(), []).extend(stations)
    return found or None


def read_overrides(given: Sequence[str]) -> dict[str, str]:
    """``RULE=REASON`` pairs. Raises: InvalidInput."""
    from dataset.parting.guards import checked_overrides
    from ecosight.errors import InvalidInput

    pairs = [each.partition("=") for each in given]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InvalidInput(f"--override {bad[0]!r} gives no reason", hint="Such as group='two species in one night'.")
    return checked_overrides({name.strip(): reason.strip() for name, _, reason in pairs})


def names_of(datasets: DatasetRepository) -> dict[str, list[str]]:
    """Digest -> branches and tags that stand for it."""
    found: dict[str, list[str]] = {}
    for name, digest in datasets.branches.all().items():
        found.setdefault(digest, []).append(name)
    for each in datasets.tags.all():
        if each.version is not None:
            found.setdefault(each.version, []).append(each.name)
    return found


def needed_by_models(bench: Workbench) -> list[str]:
    """Digests of the dataset versions that registered models and recorded trainings learned from."""
    from ecosight.errors import NotFound
    from mlflow_integration.registry import DATASET_TAG

    found = {record.dataset_digest for record in bench.retrainings.history() if record.dataset_digest}
    for each in bench.registry.versions():
        named = each.tags.get(DATASET_TAG, "")
        if named.partition("@")[0] == bench.datasets.name:
            try:
                found.add(bench.datasets.resolve(named))
            except NotFound:  # trained elsewhere, on another dataset of this name
                continue
    return sorted(found)
