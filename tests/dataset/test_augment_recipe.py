"""Recipes, the names of files, and mixup: what needs no project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataset.augmenting import Recipe, as_weighted_rows, mixup, one_hot
from dataset.augmenting.naming import stems
from dataset.entries import Entry
from ecosight.config import Config
from ecosight.errors import InvalidInput
from modalities.sound.augmentation import SoundMedium

names = st.lists(st.from_regex(r"\A[a-z]{1,4}(_[a-z]{1,3})?(/[a-z]{1,4})?\Z"), min_size=1, max_size=5, unique=True)


@given(names, st.integers(0, 30), st.integers(0, 5), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_variants_of_a_sample_have_names_and_seeds_of_their_own(
    techniques: list[str], count: int, seed: int, sample_id: str
) -> None:
    techniques = [each.replace("original", "other") for each in techniques]
    made = Recipe(techniques=tuple(techniques), variants=count, seed=seed).variants_of(sample_id)
    assert [each.number for each in made] == list(range(1, count + 1))
    assert len({each.name for each in made}) == len({each.seed for each in made}) == count
    more = Recipe(techniques=tuple(techniques), variants=count + 7, seed=seed).variants_of(sample_id)
    assert more[:count] == made


@given(names, st.integers(0, 12), st.integers(0, 5), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_technique_that_draws_nothing_is_used_once_a_sample(
    techniques: list[str], count: int, seed: int, sample_id: str
) -> None:
    techniques = [each.replace("original", "other") for each in techniques]
    recipe = Recipe(techniques=tuple(techniques), variants=count, seed=seed)
    plain = recipe.variants_of(sample_id)
    for once in ({recipe.names[0]}, {*recipe.names}):
        made = recipe.variants_of(sample_id, once)
        used = [each.technique for each in made]
        assert all(used.count(name) <= 1 for name in once)
        assert (
            len(made)
            == recipe.variant_count(once)
            == (min(count, len(once)) if len(once) == len({*recipe.names}) else count)
        )
        assert [each.number for each in made] == list(range(1, len(made) + 1))
        # A variant of a name is the same one, whatever is used once beside it.
        seeds = {each.name: each.seed for each in plain}
        assert all(seeds[each.name] == each.seed for each in made if each.name in seeds)


def test_five_variants_are_one_of_each_family_and_named_as_people_expect() -> None:
    recipe = Recipe(techniques=SoundMedium(Config()).defaults)
    seen: set[str] = set()
    for n in range(40):
        found = [each.name for each in recipe.variants_of(f"{n:064x}")]
        assert [name.rsplit("_", 1)[0] for name in found] == ["pitch", "time_stretch", "noise", "volume", "combined"]
        seen.update(found)
    assert seen == {
        "pitch_up", "pitch_down", "time_stretch_fast", "time_stretch_slow", "noise_light", "noise_medium",
        "volume_up", "volume_down", "combined_1",
    }  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["fox", "Fox", "a.b"]), st.text(min_size=1, max_size=12)), max_size=12))
@example([("\U0001f438" * 64, "\u8a9e" * 80), ("\U0001f438" * 64, "\u8a9e" * 79)])
def test_no_two_samples_share_a_file_name_and_none_leaves_its_folder(files: list[tuple[str, str]]) -> None:
    entries = [
        Entry(sample_id=f"{n:02x}" * 32, label=label, group=str(n), part="train", source=f"{name}.wav", size_bytes=1)
        for n, (label, name) in enumerate(files)
    ]
    made = stems(entries)
    assert len({stem.casefold() for stem in made.values()}) == len(entries)
    for stem in made.values():
        assert stem.count("/") == 1
        assert not set(Path(stem).parts) & {"..", ".", "/"}
        assert len(stem.split("/")[1]) <= 140
        assert max(len(part.encode()) for part in stem.split("/")) <= 200  # a variant and an ending come behind it


def test_two_labels_never_share_a_folder() -> None:
    labels = ["a?", "a*", "a-", "\U0001f438" * 63 + "x", "\U0001f438" * 63 + "y", "con", "-con"]
    entries = [
        Entry(sample_id=f"{n:02x}" * 32, label=label, group=str(n), part="train", source=f"{n}.wav", size_bytes=1)
        for n, label in enumerate(labels)
    ]
    assert len({stem.split("/")[0] for stem in stems(entries).values()}) == len(labels)
    assert stems(entries[:2] + entries[3:])["03" * 32] == stems(entries)["03" * 32]  # whatever else is there


@given(st.integers(0, 2**32), st.integers(0, 20), st.floats(0, 4), st.integers(2, 5))
def test_mixup_mixes_rows_and_labels_alike(seed: int, rows: int, alpha: float, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    soft = one_hot(labels, classes)
    # With the label itself as the features, both must come out the same.
    x, mixed = mixup(soft.copy(), soft, np.random.default_rng(seed), alpha=alpha)
    assert np.allclose(x, mixed)
    assert np.allclose(mixed.sum(axis=1), 1, atol=1e-5)
    assert (mixed >= 0).all()
    if alpha == 0:
        assert (mixed == soft).all()


def test_soft_labels_as_weighted_rows_have_the_same_loss() -> None:
    rng = np.random.default_rng(1)
    x, soft = mixup(rng.normal(size=(9, 4)), one_hot(rng.integers(0, 3, 9), 3), rng, alpha=1.0)
    weights = rng.normal(size=(4, 3))

    def log_probabilities(features: NDArray[np.floating]) -> NDArray[np.floating]:
        scores = features @ weights
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    hard_x, hard, share = as_weighted_rows(x, soft)
    loss = -(soft * log_probabilities(x)).sum()
    assert -(share * log_probabilities(hard_x)[np.arange(len(hard)), hard]).sum() == pytest.approx(loss, rel=1e-5)


def test_mixup_says_what_does_not_fit() -> None:
    with pytest.raises(InvalidInput, match="alpha"):
        mixup(np.zeros((2, 3)), np.eye(2), np.random.default_rng(1), alpha=-1)
    with pytest.raises(InvalidInput, match="labels"):
        mixup(np.zeros((3, 3)), np.eye(2), np.random.default_rng(1))
    with pytest.raises(InvalidInput, match="label"):
        one_hot(np.array([0, 3]), 3)
