"""One report as one HTML page: it needs no server and no network, and answers to the pointer."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.gates import GateDecision
    from evaluation.metrics import AnyReport
    from evaluation.speed import SpeedReport

__all__ = ["report_page"]

_KINDS = {
    "classification": "Classification report",
    "multilabel": "Report on several labels a sample",
    "detection": "Detection report",
}


def report_page(report: AnyReport, *, decision: GateDecision | None = None, speed: SpeedReport | None = None) -> str:
    """The page: style, script and the report's own JSON in one text.

    Args:
        decision: of the gate, shown first. speed: shown last.

    Labels are data, never markup: they reach the page as JSON, with ``<`` written as an escape, and are shown as text.
    """
    plain = report.as_dict()
    plain.pop("per_group", None)  # it may name thousands of recordings, and the page shows none of them
    if decision is not None:
        plain["decision"] = decision.as_dict() | {"evidence": {"rules": decision.evidence["rules"]}}
    if speed is not None:
        plain["speed"] = speed.as_dict()
    data = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    room = files(__package__)
    text = {name: (room / f"page.{name}").read_text("utf-8") for name in ("html", "css", "js")}
    page = text["html"].replace("{{title}}", html.escape(_KINDS[report.kind]))
    for name in ("css", "js"):
        page = page.replace("{{" + name + "}}", text[name])
    return page.replace("{{data}}", data)
