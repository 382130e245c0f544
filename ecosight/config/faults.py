"""Finds every fault of a configuration and tells all of them at once, each with the nearest known name."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel

from ecosight.config.tree import PREFIX, Config
from ecosight.errors import ConfigError

__all__ = ["config_error", "described", "faults_of_environment", "faults_of_file"]


def faults_of_file(file: Path) -> list[str]:
    """What pydantic cannot say: broken YAML, a file that is no mapping, a secret in the file."""
    try:
        tree = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return [f"{file} is not YAML: {' '.join(str(error).split())}"]
    if tree is None:
        return []
    if not isinstance(tree, dict):
        return [f"{file} must hold sections with keys, not a {type(tree).__name__}"]
    return [
        f"{section}.{key} holds a password; set {PREFIX}{str(section).upper()}__{str(key).upper()} instead"
        for section, keys in tree.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
        if isinstance(value, str) and "://" in value and _has_password(value)
    ]


def faults_of_environment() -> list[str]:
    """Variables with our prefix whose section does not exist; pydantic passes over them in silence."""
    sections = list(Config.model_fields)
    faults = []
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX):
            section = variable[len(PREFIX) :].split("__")[0].lower()
            if section not in sections:
                faults.append(f"{variable} names no section{_nearest(section, sections)}")
    return faults


def described(error: Any) -> str:
    """One of pydantic's errors as a sentence; for an unknown key it names the nearest known one."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg'].removeprefix('Value error, ')} (got {error['input']!r})"
    *parents, key = error["loc"]
    known = _known_keys(parents)
    return f"unknown key {where}{_nearest(str(key), known, '.'.join(map(str, parents)))}"


def config_error(faults: list[str]) -> ConfigError:
    """The one error that tells them all."""
    many = f"{len(faults)} faults in the configuration" if len(faults) > 1 else "a fault in the configuration"
    return ConfigError(
        f"{many}: " + "; ".join(faults),
        hint="docs/configuration.md lists every key; `ecosight init` writes a file with comments.",
        faults=faults,
    )


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


def _known_keys(parents: list[Any]) -> list[str]:
    model: type[BaseModel] = Config
    for parent in parents:
        annotation = model.model_fields[str(parent)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _nearest(word: str, known: list[str], parent: str = "") -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    if near:
        return f", did you mean {parent + '.' if parent else ''}{near[0]}?"
    return f" (known: {', '.join(known)})"
