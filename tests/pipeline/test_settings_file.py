"""The configuration's template and reference page tell the truth."""

from __future__ import annotations

from pathlib import Path

import yaml

from ecosight.config import Config, load_config
from pipeline.settings_file import config_reference, config_template

ROOT = Path(__file__).parents[2]


def test_reference_page_shows_every_key_as_the_code_has_it() -> None:
    assert (ROOT / "docs/configuration.md").read_text("utf-8") == config_reference()


def test_every_key_is_explained() -> None:
    silent = [
        f"{section}.{name}"
        for section, field in Config.model_fields.items()
        for name, key in field.annotation.model_fields.items()  # type: ignore[union-attr]
        if not key.description
    ]
    assert silent == []


def test_template_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config_template(), "utf-8")
    assert load_config(path).model_dump() == load_config().model_dump()


def test_template_uncommented_still_is_the_defaults(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in config_template().splitlines()[3:]]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), "utf-8")
    assert set(yaml.safe_load(path.read_text("utf-8"))) == set(Config.model_fields)
    assert load_config(path).model_dump() == load_config().model_dump()
