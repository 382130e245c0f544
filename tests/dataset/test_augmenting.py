"""Variants come from the training part alone, are the same wherever they are made, and are never samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from augment_kit import AugmentedProject, noise, recording, write_recordings

from dataset.augmenting import Recipe
from dataset.entries import Entry
from dataset.intake import Intake
from ecosight.errors import InvalidInput, NotFound, Refused
from ecosight.progress import NullProgress
from ecosight.values import Sample
from training.features import FeatureStore

SAMPLE = "ab" * 32


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AugmentedProject]:
    """Ten groups of each of two classes, two takes a group. No test changes it."""
    root = tmp_path_factory.mktemp("augmented")
    made = AugmentedProject(root)
    made.add(write_recordings(root / "source", groups=10))
    yield made
    made.bench.close()


@pytest.fixture
def own_project(tmp_path: Path) -> Iterator[AugmentedProject]:
    made = AugmentedProject(tmp_path)
    made.add(write_recordings(tmp_path / "source", groups=4))
    yield made
    made.bench.close()


def held_out(project: AugmentedProject) -> list[Entry]:
    return [entry for entry in project.version.entries if entry.part != "train"]


def test_every_row_descends_from_the_training_part(project: AugmentedProject) -> None:
    rows = project.augmenter().rows()
    train = {entry.sample_id: entry for entry in project.version.part("train")}
    assert len(rows) == len(list(rows)) == 6 * len(train)
    assert {row.parent for row in rows} == set(train)
    for row in rows:
        parent = train[row.parent]
        assert (row.label, row.group) == (parent.label, parent.group)
    others = {entry.group for entry in held_out(project)}
    assert others
    assert not others & {row.group for row in rows}


def test_nothing_is_ever_made_of_a_held_out_sample(project: AugmentedProject) -> None:
    augmenter = project.augmenter()
    blobs = augmenter.blobs()
    for entry in held_out(project):
        with pytest.raises(Refused, match=f"in the {entry.part} part"):
            project.augmenter(only=[entry.sample_id])
        key = augmenter.key(augmenter.recipe.variants_of(entry.sample_id)[0])
        for ask in (blobs.get, augmenter.read):
            with pytest.raises(NotFound):
                ask(key if ask == blobs.get else entry.sample_id)
        with pytest.raises(NotFound):
            blobs.get(entry.sample_id)
        with pytest.raises(NotFound):
            next(augmenter.make(entry.sample_id))
        assert not blobs.has(key)


def test_a_sample_that_is_not_in_the_version_is_refused(project: AugmentedProject) -> None:
    with pytest.raises(Refused, match="is not in main@v1"):
        project.augmenter(only=[SAMPLE])


def test_a_group_on_two_sides_is_learned_from_but_never_varied(project: AugmentedProject) -> None:
    version = project.version
    torn = next(entry for entry in version.part("train"))
    mate = next(e for e in version.part("train") if e.group == torn.group and e.sample_id != torn.sample_id)
    entries = tuple(
        dataclasses.replace(entry, part="test") if entry.sample_id == mate.sample_id else entry
        for entry in version.entries
    )
    bad = dataclasses.replace(version, entries=entries)
    augmenter = project.augmenter(version=bad)
    left_out = [e.sample_id for e in bad.part("train") if e.group == torn.group]
    assert torn.sample_id in left_out
    assert [entry.sample_id for entry in augmenter.left_out] == left_out
    rows = augmenter.rows()
    mine = [row for row in rows if row.group == torn.group]
    assert [(row.parent, row.variant) for row in mine] == [(sample_id, "original") for sample_id in left_out]
    assert rows[-1] == mine[-1]
    assert len(rows) == len(list(rows)) == 6 * len(augmenter.entries) + len(left_out)
    key = augmenter.key(augmenter.recipe.variants_of(torn.sample_id)[0])
    for ask in (lambda: augmenter.blobs().get(key), lambda: next(augmenter.make(torn.sample_id))):
        with pytest.raises(Refused, match="on two sides"):
            ask()
    with pytest.raises(Refused, match="on two sides"):
        project.augmenter(version=bad, only=[torn.sample_id])


def test_a_background_that_is_measured_on_or_was_made_here_is_refused(project: AugmentedProject) -> None:
    entry = held_out(project)[0]
    with pytest.raises(Refused, match="held-out"):
        project.augmenter(backgrounds=[noise(1), project.bench.blobs.get(entry.sample_id)])
    augmenter = project.augmenter()
    made = next(augmenter.make(augmenter.entries[0].sample_id)).data
    with pytest.raises(Refused, match="augmented file"):
        project.augmenter(backgrounds=[made])


def test_an_augmented_file_that_came_in_as_a_sample_is_not_varied_again(own_project: AugmentedProject) -> None:
    augmenter = own_project.augmenter()
    made = next(augmenter.make(augmenter.entries[0].sample_id)).data
    # Intake refuses such a file; one that was taken in before it did is still there.
    bench = own_project.bench
    intake = Intake(bench.modality, bench.blobs, bench.samples, group_pattern=None, clock=bench.clock)
    sample = intake.accept(made, label="dog", source="copy.wav", origin="upload").sample
    assert isinstance(sample, Sample)
    # In no group that is known, it may well come into the training part.
    version = own_project.bench.datasets.commit([sample], message="a copy came in")
    entries = tuple(
        dataclasses.replace(entry, part="train") if entry.sample_id == sample.id else entry for entry in version.entries
    )
    later = own_project.augmenter(version=dataclasses.replace(version, entries=entries))
    with pytest.raises(Refused, match="is an augmented file"):
        later.read(sample.id)
    with pytest.raises(Refused, match="is an augmented file"):
        later.materialise(own_project.bench.config.root / "out", NullProgress(), workers=1)


def test_an_augmented_file_is_no_new_sample_for_an_upload_or_a_folder(
    own_project: AugmentedProject, tmp_path: Path
) -> None:
    own_project.augmenter().materialise(tmp_path / "out", NullProgress(), workers=1, originals=False)
    copies = sorted((tmp_path / "out").rglob("*.wav"))
    before = own_project.bench.samples.count()
    with pytest.raises(InvalidInput, match=r"augmented copy .*, which is never a sample of its own") as caught:
        own_project.bench.intake.accept(copies[0].read_bytes(), label="dog", source="copy.wav", origin="upload")
    assert "a training makes such copies by itself" in caught.value.hint
    folder = write_recordings(tmp_path / "mixed", groups=1, first=90, takes=1)  # two recordings that are new
    for number, path in enumerate(copies[:3]):
        (folder / "dog" / f"{number}.wav").write_bytes(path.read_bytes())
    report = own_project.add(folder)
    assert report.accepted == 2
    assert [row["path"] for row in report.refused] == ["dog/0.wav", "dog/1.wav", "dog/2.wav"]
    assert own_project.bench.samples.count() == before + 2


def test_variants_are_no_samples(own_project: AugmentedProject, tmp_path: Path) -> None:
    before, version = own_project.bench.samples.count(), own_project.version.ref
    own_project.augmenter().materialise(tmp_path / "out", NullProgress(), workers=1)
    assert own_project.bench.samples.count() == before
    assert own_project.version.ref == version
    # The manifest is no list of samples either: ingest refuses it whole.
    with pytest.raises(InvalidInput):
        own_project.add(tmp_path / "out" / "augmented.csv")


def test_the_same_in_any_order_and_again(project: AugmentedProject) -> None:
    rows = project.augmenter().rows()
    first = {row.key: project.augmenter().blobs().get(row.key) for row in rows[:12]}
    again = project.augmenter().blobs()
    assert {row.key: again.get(row.key) for row in reversed(rows[:12])} == first
    assert len(set(first.values())) == 12


def test_another_seed_gives_other_variants(project: AugmentedProject) -> None:
    techniques = project.medium.defaults
    one, two = (project.augmenter(Recipe(techniques=techniques, seed=seed)) for seed in (1, 2))
    assert one.digest != two.digest
    parent = one.entries[0].sample_id
    assert {each.data for each in one.make(parent)}.isdisjoint({each.data for each in two.make(parent)})


def test_embeddings_of_variants_are_cached_by_sample_recipe_and_variant(
    project: AugmentedProject, tmp_path: Path
) -> None:
    embedder = project.bench.modality.embedder()

    def lookup(augmenter: Any) -> Any:
        rows = augmenter.rows()
        return FeatureStore(tmp_path, embedder, augmenter.blobs()).lookup([row.key for row in rows], NullProgress())

    samples = len(project.version.part("train"))
    first = lookup(project.augmenter())
    assert (first.cached, first.computed) == (0, 6 * samples)
    assert len(np.unique(first.vectors, axis=0)) == 6 * samples
    again = lookup(project.augmenter())
    assert (again.cached, again.computed) == (6 * samples, 0)
    assert (again.vectors == first.vectors).all()
    other = lookup(project.augmenter(Recipe(techniques=("noise_light", "pitch_up"), variants=2)))
    assert (other.cached, other.computed) == (samples, 2 * samples)
    more = lookup(project.augmenter(Recipe(techniques=project.medium.defaults, variants=6)))
    assert (more.cached, more.computed) == (6 * samples, samples)  # a sixth variant leaves the five as they are


def test_the_recipe_digest_tells_backgrounds_and_techniques_apart(project: AugmentedProject) -> None:
    def plain(samples: Any, rate: int, rng: Any) -> Any:
        return samples * 0.9

    def newer(samples: Any, rate: int, rng: Any) -> Any:
        return samples * 0.9

    newer.__qualname__ = plain.__qualname__
    newer.version = 2  # type: ignore[attr-defined]
    recipe = Recipe(techniques=("mine",))
    digests = [project.augmenter(recipe, techniques={"mine": each}).digest for each in (plain, newer, plain)]
    assert digests[0] == digests[2] != digests[1]
    with_noise = [project.augmenter(backgrounds=each).digest for each in ([noise(1)], [noise(2)], [noise(1)])]
    assert with_noise[0] == with_noise[2] != with_noise[1]
    assert "background" in project.augmenter(backgrounds=[noise(1)]).recipe.names


def test_an_own_technique_is_a_plain_function(project: AugmentedProject) -> None:
    def quieter(samples: Any, rate: int, rng: np.random.Generator) -> Any:
        assert samples.dtype == np.float32
        assert rate == 8_000
        return samples * rng.uniform(0.4, 0.5)

    augmenter = project.augmenter(Recipe(techniques=("quieter",), variants=2), techniques={"quieter": quieter})
    made = list(augmenter.make(augmenter.entries[0].sample_id))
    assert [each.variant.name for each in made] == ["quieter", "quieter_2"]
    assert made[0].data != made[1].data


def test_unknown_and_needless_parts_of_a_recipe_are_told(project: AugmentedProject) -> None:
    with pytest.raises(NotFound, match="'nope'"):
        project.augmenter(Recipe(techniques=("pitch_up", "nope")))
    with pytest.raises(InvalidInput, match="none were given"):
        project.augmenter(Recipe(techniques=("background",)))
    with pytest.raises(InvalidInput, match="not used"):
        project.augmenter(Recipe(techniques=("pitch_up",)), backgrounds=[noise(1)])
    for bad in ({"techniques": ()}, {"techniques": ("A b",)}, {"techniques": ("original",)}):
        with pytest.raises(InvalidInput):
            Recipe(**bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="variants"):
        Recipe(techniques=("pitch_up",), variants=-1)


def test_takes_of_one_event_are_what_groups_are_made_of(project: AugmentedProject) -> None:
    """The fixture is honest: held-out recordings nearly equal nothing in training but their own group."""
    assert recording("dog", 1, 0) != recording("dog", 1, 1)
    assert {entry.part for entry in project.version.entries} == {"train", "val", "test"}
