"""Reads the configuration: the file, the environment over it, arguments over both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from ecosight.config.faults import config_error, described, faults_of_environment, faults_of_file
from ecosight.config.tree import Config
from ecosight.errors import ConfigError

__all__ = ["load_config"]

DEFAULT_FILE = Path("config.yaml")


def load_config(path: Path | str | None = None, **overrides: Any) -> Config:
    """Read and check the configuration.

    Args:
        path: a YAML file; None takes ``config.yaml`` in the current folder if there is one.
        overrides: sections as dicts, stronger than file and environment.
    Raises: ConfigError: names every fault, and for an unknown key the nearest known one.
    """
    file = Path(path) if path is not None else DEFAULT_FILE
    if path is not None and not file.is_file():
        raise ConfigError(f"there is no configuration file {file}", hint="`ecosight init` writes one with comments.")
    faults = faults_of_file(file) if file.is_file() else []
    faults += faults_of_environment()

    class _Loaded(Config):
        model_config = SettingsConfigDict(yaml_file=file)

    _Loaded.__name__ = _Loaded.__qualname__ = "Config"
    try:
        config = _Loaded(**overrides)
    except ValidationError as error:
        faults += [described(each) for each in error.errors()]
        raise config_error(faults) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # not a mapping, or not YAML at all
        if not faults:
            faults = [f"{file}: {error}"]
        raise config_error(faults) from error
    if faults:
        raise config_error(faults)
    return config
