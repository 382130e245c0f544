"""The model registry: versions of one model, the aliases that say who serves, and the files behind them.

Aliases are the truth. ``champion`` and ``challenger`` are shown as MLflow's old stages Production and Staging too,
for those who know them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecosight.artifact import open_artifact
from ecosight.clock import SystemClock, iso
from ecosight.errors import Conflict, IntegrityError, InvalidInput, NotFound
from ecosight.ports import Clock
from ecosight.values import ModelRef
from mlflow_integration.connection import Connection, connect
from mlflow_integration.logged_models import (
    DIGEST_TAG,
    LoggedModel,
    embedder_name,
    log_servable,
    servable_path,
)
from mlflow_integration.model_cache import ModelCache
from mlflow_integration.model_card import model_card
from mlflow_integration.runs import JOB_TAG

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "ModelRegistry", "RegisteredVersion", "alias_of_stage"]

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
"""Who was champion before: where a rollback goes."""

STAGES = {CHAMPION: "Production", CHALLENGER: "Staging"}
READ_MANY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A version as a list shows it. ``ref.digest`` is empty where EcoSight did not register it."""

    ref: ModelRef
    run_id: str
    created_at: datetime
    aliases: tuple[str, ...]
    stage: str
    tags: Mapping[str, str]
    description: str


class ModelRegistry:
    """One registered model. Implements ``ports.ModelSource``. Thread-safe.

    Args:
        store: a tracking URI or a connection; None: the configured store.
        model_name: the registered model; made with its first version.
        cache_folder: below it, ``models/<digest>`` holds what was fetched.
        clock: stamps the moves of aliases.
    Raises: InvalidInput: MLflow takes no such model name.
    """

    def __init__(
        self,
        store: str | Connection | None = None,
        model_name: str = "ecosight",
        cache_folder: Path | str = Path("cache"),
        *,
        clock: Clock | None = None,
    ) -> None:
        if not model_name.strip() or re.search(r"[/:]", model_name):
            raise InvalidInput(f"{model_name!r} cannot name a model", hint="Use letters, digits, - _ and dots.")
        self.model_name = model_name
        self._connection = connect(store)
        self._cache = ModelCache(Path(cache_folder) / "models")
        self._clock = clock or SystemClock()

    # -- who serves ---------------------------------------------------------------------------------

    def champion(self) -> ModelRef | None:
        """Who holds the alias now; None before the first promotion. A few milliseconds.

        Raises: Unavailable: the store does not answer.
        """
        return self.alias(CHAMPION)

    def alias(self, name: str) -> ModelRef | None:
        """The version behind an alias; None where there is no such alias or no such model yet."""
        try:
            return _ref(self._by_alias(self.model_name, name))
        except (NotFound, InvalidInput):  # MLflow calls an unknown alias an invalid value
            return None

    def set_alias(self, name: str, ref: ModelRef, *, by: str = "ecosight", why: str = "") -> None:
        """Point an alias to a version; ``previous`` follows when the champion changes.

        The version's tags ``ecosight.alias.<name>.by``, ``.why`` and ``.at`` are written first, so no alias stands
        without its reason. Setting it again changes nothing but those.
        Raises: NotFound: no such version. InvalidInput: MLflow takes no such alias. Unavailable.
        """
        audit = {"by": by, "why": why, "at": iso(self._clock.now())}
        self._tag(ref, {f"ecosight.alias.{name}.{key}": text for key, text in audit.items()})
        before = self.alias(name)
        with self._connection.talking() as client:
            if name == CHAMPION and before is not None and before.version != ref.version:
                client.set_registered_model_alias(ref.name, PREVIOUS, before.version)
            client.set_registered_model_alias(ref.name, name, ref.version)
        if name in STAGES:
            self._show_stage(ref, STAGES[name])

    def remove_alias(self, name: str) -> None:
        """Take an alias away; removing one that is not there changes nothing."""
        held = self.alias(name)
        if held is None:
            return
        with self._connection.talking() as client:
            client.delete_registered_model_alias(self.model_name, name)
        if name in STAGES:
            self._show_stage(held, "Archived")

    # -- versions -----------------------------------------------------------------------------------

    def register(self, servable_folder: Path, *, run_id: str, tags: Mapping[str, Any] | None = None) -> ModelRef:
        """Log a sealed artifact as a model of the run and make it a version; once for each (run, digest).

        Args:
            tags: figures and facts of this version, such as ``accuracy``; kept beside the project's own.
        Raises: IntegrityError: the folder is no sealed artifact. NotFound: no such run. Unavailable.
        """
        description = open_artifact(servable_folder)
        found = self._version_of(run_id, description["digest"])
        if found is None:
            model = log_servable(self._connection, servable_folder, description, run_id=run_id, name=self.model_name)
            return self.add_version(model, description, tags or {})
        given = {key: str(value) for key, value in (tags or {}).items()}
        self._tag(_ref(found), {key: text for key, text in given.items() if found.tags.get(key) != text})
        return _ref(found)

    def add_version(self, model: LoggedModel, description: Mapping[str, Any], tags: Mapping[str, Any]) -> ModelRef:
        """Make a logged servable model a version, unless it is one. ``register`` does this too."""
        found = self._version_of(model.run_id, model.digest)
        if found is None:
            whole = {**self._facts(model.run_id, description), **{key: str(value) for key, value in tags.items()}}
            card = model_card(description, name=self.model_name, run_id=model.run_id, tags=whole)
            # A server looks the model up by itself; an embedded store would look in the process-wide one.
            source = f"models:/{model.model_id}" if self._connection.is_remote else model.location
            self.create_version(source, run_id=model.run_id, model_id=model.model_id, tags=whole, description=card)
            found = self._settle_twins(model)
        self._mark(model, str(found.version))
        return _ref(found)

    def create_version(
        self,
        source: str,
        *,
        run_id: str | None,
        model_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
    ) -> ModelRef:
        """One more version with the files of ``source``; tags and description are there from its first moment."""
        try:
            with self._connection.talking() as client:
                client.create_registered_model(self.model_name)
        except Conflict:
            pass
        with self._connection.talking() as client:
            return _ref(
                client.create_model_version(
                    self.model_name,
                    source,
                    run_id=run_id,
                    model_id=model_id,
                    tags=dict(tags or {}),
                    description=description,
                )
            )

    def versions(self) -> list[RegisteredVersion]:
        """All versions, newest first; none before the first registration."""
        rows = self._search(f"name = '{_quoted(self.model_name)}'")
        if not rows:
            return []
        with self._connection.talking() as client:
            aliases = client.get_registered_model(self.model_name).aliases
        held = [(str(version), alias) for alias, version in aliases.items()]
        return [
            _shown(row, tuple(sorted(alias for version, alias in held if version == str(row.version)))) for row in rows
        ]

    def get(self, version: str | int) -> ModelRef:
        """Raises: NotFound: no such version. Unavailable."""
        return _ref(self._by_version(self.model_name, str(version)))

    def resolve(self, uri: str) -> ModelRef:
        """The version behind ``models:/name/3`` or ``models:/name@champion``, of any registered model.

        Raises: InvalidInput: not of that form. NotFound: no such version or alias. Unavailable.
        """
        parts = re.fullmatch(r"models:/([^/@:]+)(?:/(\d+)|@([^/@]+))", uri)
        if parts is None:
            raise InvalidInput(f"{uri!r} names no model version", hint="models:/name/3 or models:/name@champion")
        name, version, alias = parts.groups()
        if version:
            return _ref(self._by_version(name, version))
        try:
            return _ref(self._by_alias(name, alias))
        except InvalidInput as error:
            raise NotFound(f"the model {name!r} has no alias {alias!r}") from error

    # -- files --------------------------------------------------------------------------------------

    def fetch(self, model: ModelRef | str) -> Path:
        """A local folder with the servable artifact, verified; from the cache where it is intact.

        Args:
            model: a version, or a ``models:/`` URI.
        Raises: IntegrityError: not registered by EcoSight, or damaged in the store. NotFound. Unavailable.
        """
        ref = self.resolve(model) if isinstance(model, str) else model
        if not ref.digest:
            raise IntegrityError(
                f"version {ref} carries no digest, so its files cannot be verified",
                hint="Register a servable model with EcoSight; a version made elsewhere is not served.",
            )
        return self._cache.get(ref.digest, lambda folder: self._download(ref, folder))

    def prune_cache(self, keep: int = 3) -> list[str]:
        """Forget all but the last used artifacts on this disk. Returns: digests that were removed."""
        return self._cache.prune(keep)

    def check(self) -> None:
        """Raises: Unavailable: the store cannot be reached or written, and what to do about it."""
        self._connection.check()

    # -- inside -------------------------------------------------------------------------------------

    def _by_alias(self, name: str, alias: str) -> Any:
        if self._connection.is_remote:  # one request that is never retried: the asker comes back anyway
            return _Row(self._connection.read("registered-models/alias", name=name, alias=alias)["model_version"])
        with self._connection.talking() as client:
            return client.get_model_version_by_alias(name, alias)

    def _by_version(self, name: str, version: str) -> Any:
        if self._connection.is_remote:
            return _Row(self._connection.read("model-versions/get", name=name, version=version)["model_version"])
        with self._connection.talking() as client:
            return client.get_model_version(name, version)

    def _search(self, filter_string: str) -> list[Any]:
        rows: list[Any] = []
        token = None
        with self._connection.talking() as client:
            while True:
                page = client.search_model_versions(filter_string, max_results=READ_MANY, page_token=token)
                rows += page
                token = page.token
                if not token:
                    return sorted(rows, key=lambda row: int(row.version), reverse=True)

    def _version_of(self, run_id: str, digest: str) -> Any:
        rows = self._search(f"name = '{_quoted(self.model_name)}' and run_id = '{_quoted(run_id)}'")
        return next((row for row in reversed(rows) if row.tags.get(DIGEST_TAG) == digest), None)

    def _settle_twins(self, model: LoggedModel) -> Any:
        """Two workers that both thought a job theirs may both have made a version: the first one stays."""
        rows = self._search(f"name = '{_quoted(self.model_name)}' and run_id = '{_quoted(model.run_id)}'")
        *twins, first = [row for row in rows if row.tags.get(DIGEST_TAG) == model.digest]
        with self._connection.talking() as client:
            for twin in twins:
                client.delete_model_version(self.model_name, twin.version)
        return first

    def _facts(self, run_id: str, description: Mapping[str, Any]) -> dict[str, str]:
        with self._connection.talking() as client:
            of_run = client.get_run(run_id).data.tags
        facts = {
            DIGEST_TAG: str(description["digest"]),
            "ecosight.embedder": embedder_name(description),
            "ecosight.labels": ", ".join(str(label) for label in description["labels"]),
        }
        return facts | {key: of_run[key] for key in ("ecosight.dataset", JOB_TAG) if key in of_run}

    def _mark(self, model: LoggedModel, version: str) -> None:
        """What MLflow's own ``register_model`` leaves on the logged model, so that its page links to the version."""
        if self._connection.is_remote:
            return  # the server did it
        with self._connection.talking() as client:
            mark = f'[{{"name": "{self.model_name}", "version": {version}}}]'
            client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": mark})

    def _tag(self, ref: ModelRef, tags: Mapping[str, str]) -> None:
        with self._connection.talking() as client:
            for key, text in tags.items():
                client.set_model_version_tag(ref.name, ref.version, key, text)

    def _show_stage(self, ref: ModelRef, stage: str) -> None:
        """Mirror an alias as a stage, past the warning that stages are deprecated; without stages, nothing."""
        from mlflow import MlflowClient

        move = getattr(MlflowClient, "transition_model_version_stage", None)
        if move is not None:
            with self._connection.talking() as client:
                inspect.unwrap(move)(
                    client, ref.name, ref.version, stage, archive_existing_versions=stage != "Archived"
                )

    def _download(self, ref: ModelRef, folder: Path) -> Path:
        if self._connection.is_remote:
            answer = self._connection.read("model-versions/get-download-uri", name=ref.name, version=ref.version)
            location = str(answer["artifact_uri"])
        else:
            with self._connection.talking() as client:
                location = client.get_model_version_download_uri(ref.name, ref.version)
        with self._connection.talking():
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            uri = self._connection.uri
            repository = get_artifact_repository(location, tracking_uri=uri, registry_uri=uri)
            return Path(repository.download_artifacts(servable_path(), str(folder)))


class _Row:
    """A model version as a server's JSON tells it, with the attributes of MLflow's own object."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.name = str(row["name"])
        self.version = str(row["version"])
        self.tags = {tag["key"]: tag.get("value", "") for tag in row.get("tags", [])}


def alias_of_stage(stage: str) -> str | None:
    """The alias that stands for one of MLflow's old stages; None for the stage "None".

    Raises: InvalidInput: no such stage; the hint lists them.
    """
    known = {"none": None, "staging": CHALLENGER, "production": CHAMPION}
    if stage.lower() not in known:
        raise InvalidInput(f"there is no stage {stage!r}", hint="staging, production or none")
    return known[stage.lower()]


def _ref(row: Any) -> ModelRef:
    return ModelRef(name=row.name, version=str(row.version), digest=row.tags.get(DIGEST_TAG, ""))


def _shown(row: Any, aliases: tuple[str, ...]) -> RegisteredVersion:
    return RegisteredVersion(
        ref=_ref(row),
        run_id=row.run_id or "",
        created_at=datetime.fromtimestamp(row.creation_timestamp / 1000, tz=UTC),
        aliases=aliases,
        stage=row.current_stage or "None",
        tags=dict(row.tags),
        description=row.description or "",
    )


def _quoted(text: str) -> str:
    if "'" in text:
        raise InvalidInput(f"{text!r} holds a quotation mark, which MLflow's search cannot take")
    return text
