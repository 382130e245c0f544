from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.classification import evaluate_classification
from evaluation.detection import FoundBoxes, TrueBoxes, evaluate_detection
from evaluation.multilabel import evaluate_multilabel
from evaluation.page import report_page

BOX = [0.0, 0.0, 50.0, 50.0]


def reports(random_case: Callable[..., Any]) -> list[Any]:
    truth = TrueBoxes(image=["a", "b"], label=["fox", "owl"], box=[BOX, BOX])
    found = FoundBoxes(image=["a", "b"], label=["fox", "fox"], box=[BOX, BOX], score=[0.9, 0.8])
    table = np.random.default_rng(0).random((20, 2))
    return [
        evaluate_classification(*random_case(60, 3), bootstrap_samples=10),
        evaluate_multilabel(table > 0.4, table, ["fox", "owl"], [str(n) for n in range(20)], bootstrap_samples=10),
        evaluate_detection(truth, found, ["a", "b"], bootstrap_samples=10),
    ]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def test_a_page_holds_its_report_and_needs_nothing_from_elsewhere(random_case: Callable[..., Any]) -> None:
    for report in reports(random_case):
        page = report_page(report)
        assert data_of(page)["kind"] == report.kind
        elsewhere = set(re.findall(r"""(?:https?:)?//[a-z][^\s"'<]*""", page)) - {"http://www.w3.org/2000/svg"}
        assert not [each for each in elsewhere if "." in each], elsewhere
        assert "{{" not in page


def test_a_label_cannot_become_markup() -> None:
    labels = ["</script><script>alert(1)</script>", "{{js}}"]
    report = evaluate_classification([0, 1], np.eye(2), labels, ["a", "b"], bootstrap_samples=5)
    page = report_page(report)
    assert "<script>alert" not in page
    assert data_of(page)["labels"] == labels


def test_a_label_of_four_hundred_characters_wraps_in_text_and_tables() -> None:
    """Seen in a browser; here, that the page's style says so, and that nothing may run on in one line."""
    report = evaluate_classification([0, 1], np.eye(2), ["x" * 400, "owl"], ["a", "b"], bootstrap_samples=5)
    style = report_page(report).partition("<style>")[2].partition("</style>")[0]
    assert re.search(r"body \{[^}]*overflow-wrap: anywhere", style)
    assert re.search(r"th, td \{ max-width: \d+ch; \}", style)
    assert "nowrap" not in style


STAGE = """
let made = 0;
const element = (name, svg) => ({ name, children: [], attributes: {}, style: {}, hidden: false, events: {}, value: 0,
  namespaceURI: svg ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml",
  set textContent(text) { this.text = text; }, get textContent() { return this.text || ""; },
  setAttribute(key, value) { if (String(value).includes("NaN")) throw new Error(name + " " + key + " is NaN");
    this.attributes[key] = value; },
  getAttribute(key) { return this.attributes[key] ?? null; }, removeAttribute(key) { delete this.attributes[key]; },
  appendChild(child) { made += 1; this.children.push(child); }, append(child) { this.children.push(child); },
  replaceChildren() { this.children = []; }, addEventListener(kind, done) { (this.events[kind] ||= []).push(done); },
  getBoundingClientRect() { return { left: 0, top: 0 }; }, offsetWidth: 10, offsetHeight: 10 });
const named = { main: element("main"), tip: element("div"), about: element("p"), data: element("script") };
named.data.text = DATA;
globalThis.innerWidth = globalThis.innerHeight = 900;
globalThis.document = { getElementById: (id) => named[id], createElement: (name) => element(name),
  createElementNS: (_, name) => element(name, true) };
"""
PRESS = """
const press = (at) => { for (const [kind, all] of Object.entries(at.events)) for (const done of all)
  done({ target: at, clientX: 100, clientY: 100 });
  [...at.children].forEach((child) => child.events && press(child)); };
press(named.main);
console.log(JSON.stringify({ made, sections: named.main.children.map((each) => each.children[0].text) }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script with")
def test_the_script_draws_every_kind_of_report_and_answers_the_pointer(
    random_case: Callable[..., Any], tmp_path: Path
) -> None:
    """In Node, on a stage that stands in for a browser's: whatever can be pressed is pressed once."""
    script = (Path(__file__).parents[2] / "evaluation" / "page" / "page.js").read_text("utf-8")
    titles = []
    for report in reports(random_case):
        data = json.dumps(json.dumps(data_of(report_page(report))))
        file = tmp_path / "page.cjs"
        file.write_text(STAGE.replace("DATA", data) + "\n{\n" + script.replace('"use strict";', "") + PRESS + "}\n")
        ran = subprocess.run(["node", str(file)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        told = json.loads(ran.stdout)
        assert told["made"] > 100
        titles.append(told["sections"])
    assert titles == [
        ["Figures", "Confusion", "Curves", "Calibration", "Classes"],
        ["Figures", "Curves", "Calibration", "Classes"],
        ["Figures", "Kinds of errors", "Curves", "Classes"],
    ]
