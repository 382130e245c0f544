"""Where a report is read from: the row holds its main figures, a folder of the machine that made it the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosight.errors import NotFound

__all__ = ["incident_page", "whole_report"]

_WHOLE = "timeline"
"""Only a whole report has it."""


def whole_report(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report where it can be read from here; else what the row holds of it."""
    if _WHOLE in kept or not kept.get("json"):
        return dict(kept)
    try:
        found: dict[str, Any] = json.loads(Path(kept["json"]).read_text("utf-8"))
    except (OSError, ValueError):  # made on another machine, or tidied away
        return dict(kept)
    return found


def incident_page(incident: Mapping[str, Any]) -> str:
    """The report as one page of HTML that loads nothing.

    Args:
        incident: as a JSON object.
    Raises: NotFound: the report is not made yet, or lies elsewhere.
    """
    kept = incident["report"]
    if not kept:
        raise NotFound(
            f"incident {incident['id']} has no report yet",
            hint=f"`ecosight rollback show {incident['id']}` shows how far it is.",
        )
    report = whole_report(kept)
    if _WHOLE not in report:
        raise NotFound(
            f"the report of incident {incident['id']} does not lie on this machine",
            hint=f"The server that made it wrote it to {kept.get('folder', 'its own project folder')}.",
        )
    from rollback.page import render_page

    return render_page(report)
