"""Plug-in discovery: one entry-point group a family, found by name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ecosight.errors import NotFound

if TYPE_CHECKING:
    from ecosight.config import Config
    from ecosight.ports import Modality

__all__ = ["load_plugin", "open_modality", "plugin_names"]


def plugin_names(family: str) -> list[str]:
    """Names of all installed plug-ins of a family, such as ``ecosight.modalities``, sorted."""
    return sorted(_found(family))


def load_plugin(family: str, name: str) -> Any:
    """The object behind a plug-in's name.

    Raises: NotFound: no plug-in has that name; the hint lists the known ones.
    """
    found = _found(family)
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        raise NotFound(
            f"there is no plug-in {name!r} in {family}",
            hint=f"{guess}Known: {', '.join(sorted(found)) or 'none'}.",
        )
    return found[name].load()


def open_modality(config: Config) -> Modality:
    """The modality that a configuration names.

    Raises: NotFound: no plug-in has that name.
    """
    made: Modality = load_plugin("ecosight.modalities", config.project.modality)(config)
    return made


def _found(family: str) -> Mapping[str, EntryPoint]:
    return _installed(family, tuple(sys.path))


@lru_cache(maxsize=64)
def _installed(family: str, _places: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """Looked for once: it reads what every installed package says, and some who ask do so each second."""
    return {point.name: point for point in entry_points(group=family)}
