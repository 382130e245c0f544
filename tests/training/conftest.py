"""Projects to train in; their databases are copies, since making them takes longer than a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from training_kit import Project, make_template, open_project


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two empty databases of a project."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def new_project(tmp_path: Path, template: Path) -> Callable[..., Project]:
    """Makes the project of this test, with other settings where they are given."""
    return lambda **sections: open_project(tmp_path, template, **sections)


@pytest.fixture
def project(new_project: Callable[..., Project]) -> Project:
    return new_project()
