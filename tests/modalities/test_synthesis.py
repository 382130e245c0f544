"""The synthetic sounds: the same for a seed, learnable, and near-duplicates within an event."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ecosight.config import SoundSection
from ecosight.errors import NotFound
from ecosight.seeds import generator
from modalities.sound import SoundModality
from modalities.sound.decoding import decode
from modalities.sound.synthesis import GROUP_PATTERN, LABELS, make_clip, make_station, write_sound_set


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def contents(name: str, seed: int) -> list[bytes]:
        rows = write_sound_set(tmp_path / name, seed=seed, stations=1, events=1, takes=1)
        return [path.read_bytes() for path, *_ in rows]

    assert contents("one", 0) == contents("two", 0)
    assert contents("three", 1) != contents("one", 0)


def test_more_of_them_only_adds_files(tmp_path: Path) -> None:
    few = write_sound_set(tmp_path / "few", seed=3, stations=1, events=1, takes=1)
    many = write_sound_set(tmp_path / "many", seed=3, stations=2, events=2, takes=2)
    known = {path.name: path.read_bytes() for path, *_ in many}
    assert len(many) == 8 * len(few)
    assert all(known[path.name] == path.read_bytes() for path, *_ in few)


def test_labels_are_folders_and_groups_are_in_the_names(tmp_path: Path) -> None:
    for path, label, group in write_sound_set(tmp_path, seed=3, stations=2, events=2, takes=2):
        assert path.parent.name == label
        found = re.search(GROUP_PATTERN, path.name)
        assert found
        assert found[1] == group


@pytest.mark.parametrize("label", LABELS)
def test_every_clip_can_be_read(label: str) -> None:
    for number in range(5):
        rng = generator(number, label)
        sound = decode(make_clip(label, rng, make_station("s", rng)), SoundSection())
        assert 2.0 <= sound.duration_s <= 4.0
        assert 0.02 < sound.peak <= 1.0


def test_an_unknown_sound_is_told_with_the_known_ones() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NotFound) as caught:
        make_clip("unicorn", rng, make_station("s", rng))
    assert "dog_bark" in caught.value.hint


def test_unseen_events_are_learnable_but_easier_when_their_takes_were_seen(
    tmp_path: Path, logmel: SoundModality
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, KFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = write_sound_set(tmp_path, seed=7, stations=4, events=4, takes=2)
    features = logmel.embedder().embed([path.read_bytes() for path, *_ in rows])
    labels, groups = [label for _, label, _ in rows], [group for *_, group in rows]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    honest = cross_val_score(probe, features, labels, groups=groups, cv=GroupKFold(4)).mean()
    leaking = cross_val_score(probe, features, labels, cv=KFold(4, shuffle=True, random_state=0)).mean()
    assert 0.8 < honest < 0.99
    assert leaking > honest
