"""Whoever makes a version, by whatever way: copies of one recording never lie on two sides of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from project_kit import clip

from dataset.manager import DatasetManager
from dataset.versions import DatasetVersion
from ecosight.config import Config


def write_pairs(folder: Path, *, softer: bool) -> list[Path]:
    """Twenty recordings, or softer copies of them with the beginning cut off, each in a file of its own name."""
    folder.mkdir()
    paths = []
    for number in range(20):
        wave, rate = soundfile.read(io.BytesIO(clip("low" if number % 2 else "high", number)))
        paths.append(folder / f"{'copy' if softer else 'field'}-{number}.wav")
        soundfile.write(paths[-1], 0.5 * wave[rate // 20 :] if softer else wave, rate)
    return paths


def add(manager: DatasetManager, name: str, paths: list[Path]) -> DatasetVersion:
    manager.create_version(name)
    manager.add_samples(name, paths, ["low" if int(path.stem.split("-")[1]) % 2 else "high" for path in paths])
    return manager.get_version(name).version


def parts(version: DatasetVersion) -> dict[str, str]:
    return {entry.source.removesuffix(".wav"): entry.part for entry in version.entries}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[DatasetManager]:
    with DatasetManager(tmp_path / "project", config=Config()) as opened:
        yield opened


def test_copies_that_come_later_go_where_their_originals_are(manager: DatasetManager, tmp_path: Path) -> None:
    first = parts(add(manager, "v1.0.0", write_pairs(tmp_path / "originals", softer=False)))
    assert len(set(first.values())) == 3
    both = parts(add(manager, "v2.0.0", write_pairs(tmp_path / "copies", softer=True)))
    assert {name: both[name] for name in first} == first
    assert [both[f"copy-{number}"] for number in range(20)] == [both[f"field-{number}"] for number in range(20)]


def test_who_does_not_look_says_so_in_the_configuration_and_every_version_repeats_it(tmp_path: Path) -> None:
    config = Config.model_validate({"dataset": {"near_duplicates": False}})
    with DatasetManager(tmp_path / "project", config=config) as manager:
        add(manager, "v1.0.0", write_pairs(tmp_path / "originals", softer=False))
        second = add(manager, "v2.0.0", write_pairs(tmp_path / "copies", softer=True))
    both = parts(second)
    assert second.caveats == tuple(
        f"override of unsearched since {version}: 20 new samples not compared for near-duplicates, "
        "because: dataset.near_duplicates is off in the configuration"
        for version in ("v1", "v2")
    )
    assert [both[f"copy-{number}"] for number in range(20)] != [both[f"field-{number}"] for number in range(20)]
