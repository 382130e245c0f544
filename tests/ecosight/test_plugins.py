"""Plug-ins are found by name, and a wrong name is answered with the right ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ecosight.errors import NotFound
from ecosight.plugins import load_plugin, plugin_names


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with two plug-ins, installed as pip would."""
    (tmp_path / "theirs_for_tests.py").write_text("def loud():\n    return 'LOUD'\nquiet = 'quiet'\n", "utf-8")
    info = tmp_path / "theirs_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs-for-tests\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[ecosight.test_family]\nloud = theirs_for_tests:loud\nquiet = theirs_for_tests:quiet\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs_for_tests", raising=False)


@pytest.mark.usefixtures("installed")
def test_an_installed_plugin_is_found_and_loaded() -> None:
    assert plugin_names("ecosight.test_family") == ["loud", "quiet"]
    assert load_plugin("ecosight.test_family", "loud")() == "LOUD"


@pytest.mark.usefixtures("installed")
def test_listing_names_imports_nothing() -> None:
    plugin_names("ecosight.test_family")
    assert "theirs_for_tests" not in sys.modules


@pytest.mark.usefixtures("installed")
def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NotFound) as caught:
        load_plugin("ecosight.test_family", "lout")
    assert "Did you mean 'loud'?" in caught.value.hint
    assert "loud, quiet" in caught.value.hint


def test_a_family_of_nobody_is_empty() -> None:
    assert plugin_names("ecosight.no_such_family") == []
    with pytest.raises(NotFound, match="no_such_family"):
        load_plugin("ecosight.no_such_family", "x")


def test_the_projects_own_plugins_are_known() -> None:
    assert "sound" in plugin_names("ecosight.modalities")
    assert {"logmel", "yamnet"} <= set(plugin_names("ecosight.embedders"))
