"""One report as one HTML page: it needs no server and no network, and answers to the pointer."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.metrics import AnyReport

__all__ = ["report_page"]

_KINDS = {
    "classification": "Classification report",
    "multilabel": "Report on several labels a sample",
    "detection": "Detection report",
}


def report_page(report: AnyReport) -> str:
    """The page: style, script and the report's own JSON in one text.

    Labels are data, never markup: they reach the page as JSON, with ``<`` written as an escape, and are shown as text.
    """
    plain = report.as_dict()
    plain.pop("per_group", None)  # it may name thousands of recordings, and the page shows none of them
    data = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    room = files(__package__)
    text = {name: (room / f"page.{name}").read_text("utf-8") for name in ("html", "css", "js")}
    page = text["html"].replace("{{title}}", html.escape(_KINDS[report.kind]))
    for name in ("css", "js"):
        page = page.replace("{{" + name + "}}", text[name])
    return page.replace("{{data}}", data)
