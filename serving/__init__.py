"""The HTTP server: answers, uploads, feedback and retrainings over one model that is swapped while it runs.

Importing this package imports no web framework; the names below do when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.app import create_app
    from serving.parts import BackgroundTask, ServingParts
    from serving.server import run_server, serve_in_thread

__all__ = ["BackgroundTask", "ServingParts", "create_app", "run_server", "serve_in_thread"]

_HOMES = {
    "BackgroundTask": "serving.parts",
    "ServingParts": "serving.parts",
    "create_app": "serving.app",
    "run_server": "serving.server",
    "serve_in_thread": "serving.server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
