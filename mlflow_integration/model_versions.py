"""The versions of one registered model as MLflow's store holds them: read, searched, made, tagged.

Reading from a server is one request that is never retried: those who read ask again anyway.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ecosight.errors import Conflict, EcosightError, InvalidInput, NotFound
from ecosight.logs import get_logger
from ecosight.values import ModelRef
from mlflow_integration.connection import Connection
from mlflow_integration.logged_models import DIGEST_TAG

__all__ = ["ModelVersions", "RegisteredVersion", "ref_of", "shown"]

READ_MANY = 200
LONGEST_VERSION = 18
"""Figures that fit any database's numbers."""


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


class ModelVersions:
    """Rows of MLflow's registry: objects with ``name``, ``version``, ``tags``. Thread-safe."""

    def __init__(self, connection: Connection, model_name: str) -> None:
        self._connection = connection
        self._name = model_name

    def by_alias(self, name: str, alias: str) -> Any:
        """Raises: NotFound: no such model. InvalidInput: no such alias, as MLflow sees it. Unavailable."""
        if self._connection.is_remote:
            return _Row(self._connection.read("registered-models/alias", name=name, alias=alias)["model_version"])
        with self._connection.talking() as client:
            return client.get_model_version_by_alias(name, alias)

    def by_number(self, name: str, version: str) -> Any:
        """Raises: NotFound: no such version. Unavailable."""
        try:
            if not version.isascii() or len(version) > LONGEST_VERSION:
                raise NotFound("no such number")
            if self._connection.is_remote:
                return _Row(self._connection.read("model-versions/get", name=name, version=version)["model_version"])
            with self._connection.talking() as client:
                return client.get_model_version(name, version)
        except NotFound as error:
            raise NotFound(
                f"there is no version {version} of {name!r} in the registry",
                hint="The MLflow UI lists those that there are.",
            ) from error

    def search(self, *, run_id: str | None = None, digest: str | None = None) -> list[Any]:
        """Versions of this model, newest first."""
        wanted = f"name = '{_quotable(self._name)}'"
        if run_id is not None:
            wanted += f" and run_id = '{_quotable(run_id)}'"
        rows: list[Any] = []
        token = None
        with self._connection.talking() as client:
            while True:
                page = client.search_model_versions(wanted, max_results=READ_MANY, page_token=token)
                rows += page
                token = page.token
                if not token:
                    break
        rows.sort(key=lambda row: int(row.version), reverse=True)
        return [row for row in rows if digest is None or row.tags.get(DIGEST_TAG) == digest]

    def aliases(self) -> dict[str, list[str]]:
        """Version -> its aliases, sorted. Raises: NotFound: no such model."""
        with self._connection.talking() as client:
            held = client.get_registered_model(self._name).aliases
        found: dict[str, list[str]] = {}
        for alias, version in sorted(held.items()):
            found.setdefault(str(version), []).append(alias)
        return found

    def create(
        self, source: str, *, run_id: str | None, model_id: str | None, tags: Mapping[str, str], description: str
    ) -> Any:
        """One more version, whose tags and description are there from its first moment."""
        try:
            with self._connection.talking() as client:
                client.create_registered_model(self._name)
        except Conflict:  # it exists, as it does for every version but the first
            pass
        with self._connection.talking() as client:
            return client.create_model_version(
                self._name, source, run_id=run_id, model_id=model_id, tags=dict(tags), description=description
            )

    def delete(self, version: str) -> None:
        with self._connection.talking() as client:
            client.delete_model_version(self._name, version)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        with self._connection.talking() as client:
            for key, text in tags.items():
                client.set_model_version_tag(self._name, version, key, text)

    def show_stages(self, stages: Mapping[str, str]) -> None:
        """Mirror aliases as MLflow's old stages, past the warning that stages are deprecated.

        Args:
            stages: alias -> stage, the highest first; who holds none of them any more is archived.
        A store without stages is no reason to fail: nobody here reads them.
        """
        from mlflow import MlflowClient

        move = getattr(MlflowClient, "transition_model_version_stage", None)
        if move is None:
            return
        try:
            held = self.aliases()
            for row in self.search():
                now = row.current_stage or "None"
                of_aliases = [stages[alias] for alias in stages if alias in held.get(str(row.version), ())]
                wanted = of_aliases[0] if of_aliases else "Archived" if now in stages.values() else now
                if wanted != now:
                    with self._connection.talking() as client:
                        # MLflow would archive the others by itself, with a query that fails on PostgreSQL.
                        inspect.unwrap(move)(client, self._name, str(row.version), wanted)
        except EcosightError as error:
            get_logger("mlflow").warning("the store does not show stages", error=error.message)

    def files_uri(self, name: str, version: str) -> str:
        """Where the files of a version lie."""
        if self._connection.is_remote:
            answer = self._connection.read("model-versions/get-download-uri", name=name, version=version)
            return str(answer["artifact_uri"])
        with self._connection.talking() as client:
            return str(client.get_model_version_download_uri(name, version))


class _Row:
    """A version as a server's JSON tells it, with the attributes of MLflow's own object that are used here."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.name = str(row["name"])
        self.version = str(row["version"])
        self.tags = {tag["key"]: tag.get("value", "") for tag in row.get("tags", [])}


def ref_of(row: Any) -> ModelRef:
    return ModelRef(name=row.name, version=str(row.version), digest=row.tags.get(DIGEST_TAG, ""))


def shown(row: Any, aliases: Mapping[str, list[str]]) -> RegisteredVersion:
    return RegisteredVersion(
        ref=ref_of(row),
        run_id=row.run_id or "",
        created_at=datetime.fromtimestamp(row.creation_timestamp / 1000, tz=UTC),
        aliases=tuple(aliases.get(str(row.version), ())),
        stage=row.current_stage or "None",
        tags=dict(row.tags),
        description=row.description or "",
    )


def _quotable(text: str) -> str:
    if "'" in text:
        raise InvalidInput(f"{text!r} holds a quotation mark, which MLflow's search cannot take")
    return text
