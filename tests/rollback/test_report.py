"""The incident report: everything that is known, in one object and on one page."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sample_incident import START, at, make_material, make_rollout

from ab_testing.stats.counts import ArmCounts
from rollback.alerts import alert_of
from rollback.page import render_page
from rollback.publishing import publish_report
from rollback.report import Material, build_report
from rollback.worst_slices import worst_slices


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return build_report(make_material(), made_at=START + timedelta(minutes=10))


def test_the_time_from_detection_to_the_last_answer_is_measured(report: dict[str, Any]) -> None:
    assert report["speed"]["detection_to_last_answer_s"] == pytest.approx(0.24)
    assert report["speed"]["detected_at"] == "2026-05-01T03:12:32.310Z"
    assert report["speed"]["traffic_gone_at"] == "2026-05-01T03:12:32.330Z"


def test_the_report_names_what_a_reader_at_night_asks_for(report: dict[str, Any]) -> None:
    assert report["models"]["taken_back"]["digest"] == "b" * 64
    assert report["models"]["restored"]["version"] == "7"
    assert report["exposure"] == {"keys": 1658, "requests": 2431, "failed_keys": 65, "wrong_keys": 9}
    assert report["replay"] == "ecosight rollout replay decision_02"
    assert report["slices"][0]["value"] == "engine"
    assert len(report["failed"]) == 12
    assert report["dataset_diff"]["added"] == 412


def test_the_timeline_is_in_order_and_holds_every_step(report: dict[str, Any]) -> None:
    moments = [event["at"] for event in report["timeline"]]
    assert moments == sorted(moments)
    steps = [event["what"] for event in report["timeline"] if event["kind"] == "step"]
    assert steps == ["detect", "stop", "restore", "verify", "alert"]


def test_a_report_is_strict_json_and_the_same_records_give_the_same_report(report: dict[str, Any]) -> None:
    again = build_report(make_material(), made_at=START + timedelta(minutes=10))
    assert json.dumps(again, allow_nan=False) == json.dumps(report, allow_nan=False)
    assert render_page(again) == render_page(json.loads(json.dumps(report)))


def test_the_page_needs_no_network_and_no_scripts(report: dict[str, Any]) -> None:
    page = render_page(report)
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page)


def test_the_page_is_well_formed_and_shows_three_figures(report: dict[str, Any]) -> None:
    page = render_page(report)
    checker = _Checker()
    checker.feed(page)
    assert checker.open == []
    assert page.count("<svg") == 3


def test_what_clients_and_labels_say_is_never_taken_for_markup(report: dict[str, Any]) -> None:
    trigger = {**report["trigger"], "observed": "<script>alert(1)</script>"}
    page = render_page({**report, "trigger": trigger, "title": "</title><b>"})
    assert "<script" not in page
    assert "&lt;rain &amp; wind&gt;" in page


def test_the_page_says_first_whether_anything_is_urgent() -> None:
    calm = render_page(build_report(make_material(), made_at=at(600)))
    assert "restored and verified" in calm
    assert "Nothing is urgent" in calm
    alarm = render_page(build_report(make_material(verified=False), made_at=at(600)))
    assert "NOT verified" in alarm
    assert "refused the connection" in alarm
    assert "Nothing is urgent" not in alarm


def test_a_report_of_a_model_that_never_loaded_is_a_report_all_the_same() -> None:
    material = make_material()
    bare = build_report(Material(incident=material.incident, rollout=make_rollout()), made_at=at(600))
    assert bare["speed"]["detection_to_last_answer_s"] is None
    page = render_page(json.loads(json.dumps(bare)))
    assert "<svg" not in page
    assert "What happened" in page


def test_published_twice_it_is_the_same_two_files(report: dict[str, Any], tmp_path: Path) -> None:
    first = publish_report(report, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert publish_report(report, tmp_path) == first
    assert {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert set(before) == {"index.html", "report.json"}
    assert Path(first["html"]).is_file()


def test_an_alert_is_critical_until_probes_confirm_the_restored_model() -> None:
    calm, alarm = make_material(), make_material(verified=False)
    assert alert_of(calm.rollout, calm.incident).severity == "warning"
    told = alert_of(alarm.rollout, alarm.incident)
    assert told.severity == "critical"
    assert "NOT sure" in told.text
    assert told.key == alarm.incident.id


def test_a_slice_is_called_sure_only_after_correction_for_their_number() -> None:
    suspicious = ArmCounts.at(0.5, control=(100, 1), candidate=(100, 9))
    assert worst_slices({"site": {"a": suspicious}})[0]["sure"]
    many = {str(n): ArmCounts.at(0.5, control=(100, 2), candidate=(100, 2)) for n in range(400)}
    assert not any(row["sure"] for row in worst_slices({"site": {"a": suspicious} | many}))


def test_slices_without_a_bad_answer_are_no_worst_slices() -> None:
    assert worst_slices({"site": {"a": ArmCounts.at(0.5, control=(10, 3), candidate=(10, 0))}}) == []
    assert worst_slices({}) == []


class _Checker(HTMLParser):
    void = frozenset({"meta", "line", "circle", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
