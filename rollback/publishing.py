"""Writes a report down: the JSON, then the page, each whole or not at all; writing it again gives the same files."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosight.errors import Unavailable
from ecosight.state.columns import to_json
from rollback.page import render_page

__all__ = ["plain_report", "publish_report", "report_paths"]


def publish_report(report: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write ``report.json`` and ``index.html`` to the incident's own folder below ``folder``.

    Returns: the report with where it lies, kept as ``Incident.report``: any machine can draw the page from it.
    Raises: Unavailable: the folder cannot be written.
    """
    data, page = report_paths(folder, report["id"])
    plain = plain_report(report)
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        _write(data, json.dumps(plain, indent=2, ensure_ascii=False))
        _write(page, render_page(plain))
    except OSError as error:
        raise Unavailable(f"the report cannot be written to {data.parent}: {error.strerror}") from error
    where = {"folder": str(data.parent), "json": str(data), "html": str(page)}
    return where | plain


def plain_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report as a JSON object, as the incident's row keeps it: the page is drawn from it alone."""
    plain: dict[str, Any] = json.loads(to_json(dict(report)))
    return plain


def report_paths(folder: Path, identity: str) -> tuple[Path, Path]:
    """(JSON, page) of an incident."""
    return folder / identity / "report.json", folder / identity / "index.html"


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.{secrets.token_hex(6)}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
