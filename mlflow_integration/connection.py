"""One MLflow store, reached by its own URI: its client, its errors in our language, and no noise.

Nothing here touches MLflow's process-wide tracking URI, so several projects can live in one process.
MLflow's log lines, progress bars, printed links and usage reports are switched off before it is first imported,
unless the environment says otherwise (``MLFLOW_LOGGING_LEVEL``, ``MLFLOW_DISABLE_TELEMETRY``, …).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecosight.errors import (
    ConfigError,
    Conflict,
    EcosightError,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mlflow_integration.embedded_database import ensure_database

__all__ = ["Connection", "connect"]

QUICK_TIMEOUT_S = 5
"""A quick question to a server waits this long, once; MLflow's own patience is minutes."""

QUIET = {
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what matters comes as an exception
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a sensor in the field does not report to anybody
}

_FAMILIES: dict[str, type[EcosightError]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "NOT_FOUND": NotFound,
    "RESOURCE_ALREADY_EXISTS": Conflict,
    "ALREADY_EXISTS": Conflict,
    "RESOURCE_CONFLICT": Conflict,
    "INVALID_STATE": Conflict,
    "INVALID_PARAMETER_VALUE": InvalidInput,
    "PERMISSION_DENIED": Forbidden,
    "UNAUTHENTICATED": Unauthenticated,
    "CUSTOMER_UNAUTHORIZED": Unauthenticated,
}


class Connection:
    """A tracking store and the registry behind the same URI. Thread-safe; connects when first used.

    Args:
        tracking_uri: ``sqlite:///…`` (made on first use), another SQLAlchemy URL, or ``http(s)://…``.
    Raises: ConfigError: the URI is a plain folder, which MLflow no longer takes.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.uri = _absolute(tracking_uri)
        self.is_remote = self.uri.startswith(("http://", "https://"))
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def shown_uri(self) -> str:
        """The URI without a password."""
        return re.sub(r"//[^/@]*@", "//", self.uri)

    @property
    def database_file(self) -> Path | None:
        """The file of an embedded (SQLite) store."""
        path = self.uri.removeprefix("sqlite:///")
        return Path(path) if path != self.uri else None

    @property
    def artifact_root(self) -> str | None:
        """Where an embedded store keeps files unless told otherwise: ``mlartifacts`` beside its database."""
        return (self.database_file.parent / "mlartifacts").as_uri() if self.database_file else None

    @contextmanager
    def talking(self) -> Iterator[Any]:
        """The ``MlflowClient``, with MLflow's errors turned into ours.

        Raises: NotFound, Conflict, InvalidInput, AccessError: as the store answered. Unavailable: no answer.
        """
        with self._translated():
            yield self._connected()

    def read(self, endpoint: str, **query: Any) -> dict[str, Any]:
        """One quick GET to a tracking server, never retried: for those who will ask again anyway.

        Args:
            endpoint: below ``/api/2.0/mlflow/``.
        Raises: as ``talking``.
        """
        with self._translated():
            _silence()
            from mlflow.utils.credentials import get_default_host_creds
            from mlflow.utils.rest_utils import http_request, verify_rest_response

            path = f"/api/2.0/mlflow/{endpoint}"
            response = http_request(
                get_default_host_creds(self.uri),
                path,
                "GET",
                params=query,
                timeout=QUICK_TIMEOUT_S,
                max_retries=0,
                raise_on_status=False,
            )
            answer: dict[str, Any] = verify_rest_response(response, path).json()
            return answer

    def check(self) -> None:
        """Raises: Unavailable: the store cannot be reached, or its database file cannot be written."""
        if self.is_remote:
            self.read("registered-models/search", max_results=1)
            return
        with self.talking() as client:
            client.search_registered_models(max_results=1)
        file = self.database_file
        if file is not None and not os.access(file, os.W_OK):
            raise Unavailable(f"MLflow's database {file} cannot be written", hint="Check who owns the file.")

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                _silence()
                if self.is_remote:
                    self.read("experiments/search", max_results=1)  # fail now, not after minutes of retries
                elif self.database_file is not None:
                    ensure_database(self.database_file, artifact_root=str(self.artifact_root))
                if not self.is_remote:
                    _probe(self.uri)
                from mlflow import MlflowClient

                self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            return self._client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except EcosightError:
            raise
        except Exception as error:
            translated = self._translate(error)
            if translated is None:
                raise
            raise translated from error

    def _translate(self, error: Exception) -> EcosightError | None:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        said = _one_line(error)
        if isinstance(error, MlflowException):
            family = _FAMILIES.get(str(error.error_code))
            if family is not None:
                return family(f"MLflow says: {said}", store=self.shown_uri)
        elif not isinstance(error, (OSError, SQLAlchemyError, ImportError)):
            return None  # a fault of ours: let it be seen
        if isinstance(error, ImportError):
            hint = "Its driver is not installed; for PostgreSQL: pip install 'ecosight[postgresql]'."
        elif self.is_remote:
            hint = "Is the tracking server running? mlflow.tracking_uri names it; `mlflow server` starts one."
        elif "schema" in said and "upgrade" in said:
            hint = f"Back the database up, then run `mlflow db upgrade {self.shown_uri}`."
        else:
            hint = "Check mlflow.tracking_uri and that its folder can be written."
        return Unavailable(f"MLflow's store {self.shown_uri} does not answer: {said}", hint=hint)


def connect(target: str | Connection | None = None) -> Connection:
    """A connection from a URI, from another's connection, or (None) to the configured store."""
    if isinstance(target, Connection):
        return target
    if target is None:
        from ecosight.config import load_config

        target = load_config().tracking_uri
    return Connection(target)


def _absolute(uri: str) -> str:
    if uri.startswith("sqlite:///"):  # a relative path must not change its meaning with the working directory
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).expanduser().absolute()}"
    if "://" not in uri or uri.startswith("file:"):
        raise ConfigError(
            f"{uri!r} is a folder, and MLflow keeps experiments in a database or on a server only",
            hint=f"Use sqlite:///{uri.removeprefix('file://').rstrip('/')}/mlflow.db or http://…",
        )
    return uri.rstrip("/")


def _silence() -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _probe(uri: str) -> None:
    """Ask the database once: MLflow would retry for minutes before it says that nobody is there."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    sqlalchemy.inspect(engine).get_table_names()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "NewConnectionError" in text or "Connection refused" in text:
        return "nobody listens there"
    if "timed out" in text:
        return "no answer in time"
    return text if len(text) <= 300 else text[:299] + "…"
