"""The servable artifact: a folder that is sealed once, and verified whenever it is opened.

``servable.json`` describes the folder and lists the SHA-256 of every other file in it; the artifact's digest
is the SHA-256 of that list together with the description, so no byte can change without changing the digest.
A modality decides what else is inside, with one promise to those who load it without this project:
``runtime.py`` imports nothing of it and has ``load(folder)``, whose result has ``labels`` and
``predict_batch(inputs, **parameters)``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosight.errors import IntegrityError

__all__ = ["DESCRIPTION_FILE", "open_artifact", "seal_artifact"]

DESCRIPTION_FILE = "servable.json"
FORMAT = 1


def seal_artifact(folder: Path, description: Mapping[str, Any]) -> str:
    """Write ``servable.json`` over the files in the folder and return the artifact's digest.

    Args:
        folder: holds all other files already; sub-folders are not part of the format.
        description: JSON-serialisable; the keys ``format``, ``files`` and ``digest`` are added.
    """
    files = {path.name: _file_digest(path) for path in sorted(folder.iterdir()) if path.name != DESCRIPTION_FILE}
    whole = {**description, "format": FORMAT, "files": files}
    whole["digest"] = _digest(whole)
    # Round-trip through JSON first, so that the digest is that of what will be read back.
    text = json.dumps(whole, indent=2, sort_keys=True, allow_nan=False)
    (folder / DESCRIPTION_FILE).write_text(text + "\n", "utf-8")
    return str(whole["digest"])


def open_artifact(folder: Path) -> dict[str, Any]:
    """The description of an artifact whose every file was verified.

    Raises: IntegrityError: not an artifact, a newer format, or a file that differs from its digest.
    """
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION_FILE).read_text("utf-8"))
        files, digest, version = description["files"], description["digest"], description["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder} is no servable model: {error}", hint="Register the model again.") from error
    if version != FORMAT:
        raise IntegrityError(
            f"the model has artifact format {version}, this EcoSight reads {FORMAT}", hint="Upgrade EcoSight."
        )
    if digest != _digest(description):
        raise IntegrityError(
            "the model's description was changed after it was sealed", hint="Fetch it again from the registry."
        )
    for name, expected in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file() or _file_digest(path) != expected:
            raise IntegrityError(
                f"the model's file {name!r} is missing or damaged", hint="Fetch it again from the registry."
            )
    return description


def _digest(description: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in description.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
