"""The model registry: versions of one model, the aliases that say who serves, and the files behind them.

Aliases are the truth. ``champion`` and ``challenger`` are shown as MLflow's old stages Production and Staging too,
for those who know them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosight.artifact import open_artifact
from ecosight.clock import SystemClock, iso
from ecosight.errors import IntegrityError, InvalidInput, NotFound
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
from mlflow_integration.model_versions import ModelVersions, RegisteredVersion, ref_of, shown
from mlflow_integration.runs import JOB_TAG

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "ModelRegistry", "RegisteredVersion", "alias_of_stage"]

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
"""Who was champion before: where a rollback goes."""

STAGES = {CHAMPION: "Production", CHALLENGER: "Staging"}
DATASET_TAG = "ecosight.dataset"
SOURCE_TAG = "ecosight.source"


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
        if not model_name.strip() or re.search(r"[/:']", model_name):
            raise InvalidInput(f"{model_name!r} cannot name a model", hint="Use letters, digits, - _ and dots.")
        self.model_name = model_name
        self._connection = connect(store)
        self._versions = ModelVersions(self._connection, model_name)
        self._cache = ModelCache(Path(cache_folder) / "models")
        self._clock = clock or SystemClock()

    # -- who serves ---------------------------------------------------------------------------------

    def champion(self) -> ModelRef | None:
        """Who holds the alias now; None before the first promotion. A millisecond, or one short request.

        Raises: Unavailable: the store does not answer.
        """
        return self.alias(CHAMPION)

    def alias(self, name: str) -> ModelRef | None:
        """The version behind an alias; None where there is no such alias or no such model yet."""
        try:
            return ref_of(self._versions.by_alias(self.model_name, name))
        except (NotFound, InvalidInput):  # MLflow calls an unknown alias an invalid value
            return None

    def set_alias(self, name: str, ref: ModelRef, *, by: str = "ecosight", why: str = "") -> None:
        """Point an alias to a version; ``previous`` follows when the champion changes.

        The version's tags ``ecosight.alias.<name>.by``, ``.why`` and ``.at`` are written first, so no alias stands
        without its reason. Setting it again changes nothing but those.
        Raises: NotFound: no such version. InvalidInput: MLflow takes no such alias, or another model's version.
        """
        if ref.name != self.model_name:
            raise InvalidInput(f"{ref} is no version of {self.model_name!r}")
        audit = {"by": by, "why": why, "at": iso(self._clock.now())}
        self._versions.tag(ref.version, {f"ecosight.alias.{name}.{key}": text for key, text in audit.items()})
        before = self.alias(name)
        with self._connection.talking() as client:
            if name == CHAMPION and before is not None and before.version != ref.version:
                client.set_registered_model_alias(ref.name, PREVIOUS, before.version)
            client.set_registered_model_alias(ref.name, name, ref.version)
        self._versions.show_stages(STAGES)

    def remove_alias(self, name: str) -> None:
        """Take an alias away; removing one that is not there changes nothing."""
        if self.alias(name) is not None:
            with self._connection.talking() as client:
                client.delete_registered_model_alias(self.model_name, name)
            self._versions.show_stages(STAGES)

    # -- versions -----------------------------------------------------------------------------------

    def register(self, servable_folder: Path, *, run_id: str, tags: Mapping[str, Any] | None = None) -> ModelRef:
        """Log a sealed artifact as a model of the run and make it a version; once for each (run, digest).

        Args:
            tags: figures and facts of this version, such as ``accuracy``; kept beside the project's own.
        Raises: IntegrityError: the folder is no sealed artifact. NotFound: no such run. Unavailable.
        """
        description = open_artifact(servable_folder)
        model = log_servable(self._connection, servable_folder, description, run_id=run_id, name=self.model_name)
        return self.register_logged(model, description, tags=tags)

    def register_logged(
        self, model: LoggedModel, description: Mapping[str, Any], *, tags: Mapping[str, Any] | None = None
    ) -> ModelRef:
        """Make a servable model that lies in the store already a version; as ``register``, without the upload."""
        given = {key: str(value) for key, value in (tags or {}).items()}
        found = self._first_twin(model)
        if found is None:
            whole = {**self._facts(model.run_id, description), **given}
            self._versions.create(
                self._source(model.location, model.model_id),
                run_id=model.run_id,
                model_id=model.model_id,
                tags=whole,
                description=model_card(description, name=self.model_name, run_id=model.run_id, tags=whole),
            )
            found = self._first_twin(model)
        self._versions.tag(found.version, {key: text for key, text in given.items() if found.tags.get(key) != text})
        self._link(model, str(found.version))
        return ref_of(found)

    def register_files(self, location: str, *, run_id: str, description: str, model_id: str | None = None) -> ModelRef:
        """Make any files of a run a version, once. Without a digest it can be shown and loaded, never served.

        Args:
            location: URI of the files.
            model_id: of the logged model that they are, if they are one.
        """
        found = [row for row in self._versions.search(run_id=run_id) if row.tags.get(SOURCE_TAG) == location]
        if found:
            return ref_of(found[-1])
        source = self._source(location, model_id)
        tags = {SOURCE_TAG: location}
        return ref_of(
            self._versions.create(source, run_id=run_id, model_id=model_id, tags=tags, description=description)
        )

    def versions(self) -> list[RegisteredVersion]:
        """All versions, newest first; none before the first registration."""
        rows = self._versions.search()
        aliases = self._versions.aliases() if rows else {}
        return [shown(row, aliases) for row in rows]

    def get(self, version: str | int) -> ModelRef:
        """Raises: NotFound: no such version. Unavailable."""
        return ref_of(self._versions.by_number(self.model_name, str(version)))

    def resolve(self, uri: str) -> ModelRef:
        """The version behind ``models:/name/3`` or ``models:/name@champion``, of any registered model.

        Raises: InvalidInput: not of that form. NotFound: no such version or alias. Unavailable.
        """
        parts = re.fullmatch(r"models:/([^/@:]+)(?:/(\d+)|@([^/@]+))", uri)
        if parts is None:
            raise InvalidInput(f"{uri!r} names no model version", hint="models:/name/3 or models:/name@champion")
        name, version, alias = parts.groups()
        if version:
            return ref_of(self._versions.by_number(name, version))
        try:
            return ref_of(self._versions.by_alias(name, alias))
        except InvalidInput as error:
            raise NotFound(f"the model {name!r} has no alias {alias!r}") from error

    def named(self, name: str) -> ModelRef | None:
        """The version behind a number, a ``models:/`` URI, or else an alias; None where nobody carries that alias.

        Raises: InvalidInput: a URI of another form. NotFound: no such version, or none behind the URI. Unavailable.
        """
        if name.startswith("models:/"):
            return self.resolve(name)
        return self.get(name) if name.isdecimal() else self.alias(name)

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

    def _first_twin(self, model: LoggedModel) -> Any:
        """The version of this run and digest.

        Two workers that both thought a job theirs may each have made one: the first stays, the others go.
        """
        rows = self._versions.search(run_id=model.run_id, digest=model.digest)
        for twin in rows[:-1]:
            self._versions.delete(twin.version)
        return rows[-1] if rows else None

    def _source(self, location: str, model_id: str | None) -> str:
        # A server looks a logged model up by itself; an embedded store would look in the process-wide one.
        return f"models:/{model_id}" if model_id and self._connection.is_remote else location

    def _facts(self, run_id: str, description: Mapping[str, Any]) -> dict[str, str]:
        with self._connection.talking() as client:
            of_run = client.get_run(run_id).data.tags
        facts = {
            DIGEST_TAG: str(description["digest"]),
            "ecosight.embedder": embedder_name(description),
            "ecosight.labels": ", ".join(str(label) for label in description["labels"]),
        }
        dataset = (description.get("facts") or {}).get("dataset")
        if isinstance(dataset, str):
            facts[DATASET_TAG] = dataset
        return facts | {key: of_run[key] for key in (DATASET_TAG, JOB_TAG) if key in of_run}

    def _link(self, model: LoggedModel, version: str) -> None:
        """What MLflow's own ``register_model`` leaves on the logged model, so that its page links to the version."""
        if self._connection.is_remote:
            return  # the server did it
        mark = json.dumps([{"name": self.model_name, "version": int(version)}])
        with self._connection.talking() as client:
            client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": mark})

    def _download(self, ref: ModelRef, folder: Path) -> Path:
        location = self._versions.files_uri(ref.name, ref.version)
        with self._connection.talking():
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            uri = self._connection.uri
            repository = get_artifact_repository(location, tracking_uri=uri, registry_uri=uri)
            return Path(repository.download_artifacts(servable_path(), str(folder)))


def alias_of_stage(stage: str) -> str | None:
    """The alias that stands for one of MLflow's old stages; None for the stage "None".

    Raises: InvalidInput: no such stage; the hint lists them.
    """
    known = {"none": None, "staging": CHALLENGER, "production": CHAMPION}
    if stage.lower() not in known:
        raise InvalidInput(f"there is no stage {stage!r}", hint="staging, production or none")
    return known[stage.lower()]
