"""Writes the configuration down for people: config.yaml with comments, and the reference page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ecosight.config import PREFIX, Config

__all__ = ["config_reference", "config_template"]


class _Key(NamedTuple):
    section: str
    name: str
    default: Any
    text: str


def config_template() -> str:
    """A config.yaml that changes nothing: every key, commented out, with its default and its meaning."""
    lines = [
        "# EcoSight's configuration. Every line that is commented out shows a default.",
        f"# {PREFIX}SECTION__KEY in the environment is stronger than this file.",
        "# Passwords and keys belong into the environment only.",
    ]
    section = None
    for key in _keys():
        if key.section != section:
            section = key.section
            lines += ["", f"# {section}:"]
        lines.append(f"#   {key.name}: {json.dumps(key.default, default=str)}  # {key.text}")
    return "\n".join(lines) + "\n"


def config_reference() -> str:
    """docs/configuration.md: every key with its default and its meaning."""
    lines = [
        "# Configuration",
        "",
        "`ecosight init` writes a `config.yaml` with all of this as comments. Without a file everything below holds",
        "as it stands, and works offline. An unknown key is an error that names the nearest known one; all faults",
        f"are told at once. `{PREFIX}SECTION__KEY` in the environment is stronger than the file, for example",
        f"`{PREFIX}TRAINING__EPOCHS=50`. A URL with a password is refused in the file and taken from the environment.",
        "API keys come from `ECOSIGHT_API_KEYS` only.",
        "",
        "Sections marked *not read yet* are accepted, so that one file serves the whole platform; the rooms that will",
        "read them are not built. `ecosight doctor` names those that are set.",
    ]
    section = None
    for key in _keys():
        if key.section != section:
            section = key.section
            mark = " *(not read yet)*" if section in UNREAD else ""
            lines += ["", f"## {section}{mark}", "", "| key | default | meaning |", "|---|---|---|"]
        lines.append(f"| `{key.name}` | `{json.dumps(key.default, default=str)}` | {key.text} |")
    return "\n".join(lines) + "\n"


UNREAD = frozenset({"data_collection", "annotation", "tuning", "monitoring"})
"""Sections whose rooms are not built."""


def _keys() -> Iterator[_Key]:
    for section, field in Config.model_fields.items():
        for name, key in field.annotation.model_fields.items():  # type: ignore[union-attr]
            default = key.get_default(call_default_factory=True)
            yield _Key(section, name, default, " ".join((key.description or "").split()))
