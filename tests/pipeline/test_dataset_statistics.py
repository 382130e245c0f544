"""`ecosight dataset stats` as a user types it: counts, quality, what to collect, and a page."""

from __future__ import annotations

from pathlib import Path

from project_kit import Project, write_clips


def test_a_version_is_counted_measured_and_shown_on_a_page(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", each=4)
    (tmp_path / "config.yaml").write_text("project: {name: kit}\n", "utf-8")
    project = Project(tmp_path)
    project.run("ingest", "clips")
    told = project.run("dataset", "stats", "--report", "out/page.html")
    assert (told["samples"], told["groups"], told["classes"]) == (12, 12, {"high": 4, "low": 4, "middle": 4})
    assert told["quality"]["looked_at"] == told["quality"]["computed"] == 12
    assert {row["value"]: row["samples"] for row in told["tallies"]["source"]} == {"file": 12}
    assert told["unknown"]["hour"] == 12  # files do not tell when they were recorded
    assert told["spreads"]["duration_s"]["median"] == 0.6
    assert {each["value"] for each in told["wanted"]} == {"high", "low", "middle"}
    assert told["wanted"][0]["needed"] == 93
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert "What to collect next" in page

    again = project.run("dataset", "stats", "--quality", "--samples", "5", "--accuracy", "0.9")
    assert (again["quality"]["looked_at"], again["quality"]["cached"], again["quality"]["of"]) == (5, 5, 12)
    assert again["needed"] == 37
    refused = project.run("dataset", "stats", "--report", "clips", expect=3)
    assert refused["error"]["code"] == "invalid_input"
