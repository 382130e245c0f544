"""Copies of a picture are found among others; another picture of the same scene is no copy."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from dataset.entries import Entry
from dataset.similar import FingerprintStore, find_duplicates
from ecosight.blobs import LocalBlobs
from ecosight.config import Config, ImageSection
from ecosight.errors import MediaTooLarge, UnreadableMedia, UnsupportedMedia
from ecosight.ports import Fingerprint
from ecosight.progress import NullProgress
from ecosight.seeds import generator
from ecosight.testing import FingerprinterConformance
from modalities.image import ImageModality, thumbs
from modalities.image.fingerprint import PictureFingerprinter

Picture = Image.Image


@pytest.fixture(scope="module")
def fingerprinter() -> PictureFingerprinter:
    return ImageModality(Config()).fingerprinter()


def stored(picture: Picture, quality: int = 92) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def cut(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(edge) for edge in box))


COPIES: dict[str, Callable[[Picture], bytes]] = {
    "JPEG of quality 50": lambda picture: stored(picture, 50),
    "JPEG of quality 70": lambda picture: stored(picture, 70),
    "JPEG of quality 95": lambda picture: stored(picture, 95),
    "half as large": lambda picture: stored(picture.resize((picture.width // 2, picture.height // 2))),
    "320 pixels wide": lambda picture: stored(picture.resize((320, max(1, picture.height * 320 // picture.width)))),
    "5% cut off all around": lambda picture: stored(cut(picture, 0.025, 0.025, 0.025, 0.025)),
    "5% cut off above": lambda picture: stored(cut(picture, 0, 0.05, 0, 0)),
    "5% cut off to the right and below": lambda picture: stored(cut(picture, 0, 0, 0.05, 0.05)),
    "a bar of 4% below, as traps print it, cut off": lambda picture: stored(cut(picture, 0, 0, 0, 0.04)),
    "a fifth brighter": lambda picture: stored(ImageEnhance.Brightness(picture).enhance(1.2)),
    "a third brighter": lambda picture: stored(ImageEnhance.Brightness(picture).enhance(1.33)),
    "a fifth darker": lambda picture: stored(ImageEnhance.Brightness(picture).enhance(0.8)),
    "without colour": lambda picture: stored(picture.convert("L")),
    "mirrored": lambda picture: stored(ImageOps.mirror(picture)),
    "mirrored, half as large and darker": lambda picture: stored(
        ImageEnhance.Brightness(ImageOps.mirror(picture).resize((picture.width // 2, picture.height // 2))).enhance(0.8)
    ),
    "mirrored, and 5% cut off above": lambda picture: stored(cut(ImageOps.mirror(picture), 0, 0.05, 0, 0)),
}


@pytest.fixture(scope="module")
def pictures(audio_data: Path) -> list[Picture]:
    """40 pictures of one class, no copies among them, small enough to be quick."""
    files = sorted((audio_data / "images" / "raccoon" / "dev" / "images").glob("*.jpg"))[:40]
    found = []
    for file in files:
        picture = Image.open(file).convert("RGB")
        picture.thumbnail((640, 640))
        found.append(picture)
    return found


@pytest.fixture(scope="module")
def prints(fingerprinter: PictureFingerprinter, pictures: list[Picture]) -> list[Fingerprint]:
    return [fingerprinter.fingerprint(stored(picture)) for picture in pictures]


def shared(one: Fingerprint, other: Fingerprint) -> int:
    return len(np.intersect1d(one.words, other.words))


class TestPictures(FingerprinterConformance):
    @pytest.fixture
    def samples(self, pictures: list[Picture]) -> list[bytes]:
        return [stored(picture) for picture in pictures[:4]]

    @pytest.fixture
    def copies(self, pictures: list[Picture]) -> list[bytes]:
        return [COPIES["5% cut off above"](picture) for picture in pictures[:4]]


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_of_a_real_picture_is_found_whatever_was_done_to_it(
    change: str, fingerprinter: PictureFingerprinter, pictures: list[Picture], prints: list[Fingerprint]
) -> None:
    """Found: it shares three words at least, as the search asks for, and passes the threshold."""
    for number, picture in list(enumerate(pictures))[::3]:
        found = fingerprinter.fingerprint(COPIES[change](picture))
        assert shared(prints[number], found) >= 8, number
        assert fingerprinter.compare(prints[number].trace, found.trace, 0) >= fingerprinter.threshold, number


def test_other_pictures_of_the_class_are_no_copies_and_few_are_even_compared(
    fingerprinter: PictureFingerprinter, prints: list[Fingerprint]
) -> None:
    pairs = [(one, other) for one, other in combinations(prints, 2) if shared(one, other) >= 3]
    assert len(pairs) < 0.01 * len(prints) * (len(prints) - 1) / 2
    alike = [fingerprinter.compare(one.trace, other.trace, 0) for one, other in pairs]
    # One picture is in the set twice, in two sizes: raccoon-11 and raccoon-116.
    assert sorted(each >= fingerprinter.threshold for each in alike)[-2:] == [False, True]


def test_the_next_picture_of_a_burst_is_no_copy(fingerprinter: PictureFingerprinter, audio_data: Path) -> None:
    """The same scene and light; the animal, 3% of the picture, has gone elsewhere. Smaller ones are not told apart."""
    folder = audio_data / "images" / "raccoon" / "dev"
    for number, file in enumerate(sorted((folder / "images").glob("*.jpg"))[:40:3]):
        one, other = (fingerprinter.fingerprint(stored(each)) for each in burst(file, 0.03, generator(7, number)))
        assert fingerprinter.compare(one.trace, other.trace, 0) < fingerprinter.threshold, file.name


def burst(file: Path, share: float, rng: np.random.Generator) -> list[Picture]:
    """A picture with the animal from its box once more, at two places, over so much of the picture."""
    tree = ElementTree.parse(file.parent.parent / "annotations" / f"{file.stem}.xml")
    box = tree.find(".//bndbox")
    assert box is not None
    scene = Image.open(file).convert("RGB")
    animal = scene.crop(tuple(int(str(box.findtext(edge))) for edge in ("xmin", "ymin", "xmax", "ymax")))
    scene.thumbnail((640, 640))
    scale = (share * scene.width * scene.height / (animal.width * animal.height)) ** 0.5
    animal = animal.resize((max(1, round(scale * animal.width)), max(1, round(scale * animal.height))))
    made = []
    for side in (0.0, 0.5):  # the left half, then the right one
        x = (side + rng.uniform(0, 0.5)) * (scene.width - animal.width)
        y = rng.uniform(0, 1) * (scene.height - animal.height)
        made.append(scene.copy())
        made[-1].paste(animal, (round(x), round(max(0.0, y))))
    return made


def test_one_scene_as_grey_cmyk_and_turned_by_its_exif_is_one_picture_and_all_others_are_their_own(
    fingerprinter: PictureFingerprinter, audio_data: Path
) -> None:
    found: dict[str, Fingerprint] = {}
    for path in sorted((audio_data / "images" / "speciesnet_test_images" / "images").glob("*.jpg")):
        try:
            found[path.stem] = fingerprinter.fingerprint(path.read_bytes())
        except UnreadableMedia:
            assert "truncated" in path.stem
    assert len(found) == 12
    for one, other in combinations(found, 2):
        alike = fingerprinter.compare(found[one].trace, found[other].trace, 0)
        same = one.startswith("african") and other.startswith("african")
        assert (alike >= fingerprinter.threshold) == same, (one, other, alike)


def test_the_search_joins_copies_of_pictures_and_nothing_else(
    fingerprinter: PictureFingerprinter, pictures: list[Picture], tmp_path: Path
) -> None:
    """As `ecosight dataset duplicates` does it: 30 pictures, a copy of every third."""
    blobs = LocalBlobs(tmp_path / "blobs")
    originals = [blobs.put(stored(picture)) for picture in pictures[10:40]]
    copied = {
        number: blobs.put(list(COPIES.values())[number % len(COPIES)](pictures[10 + number]))
        for number in range(0, 30, 3)
    }
    ids = sorted({*originals, *copied.values()})
    rows = [Entry(sample_id=each, label="raccoon", group=each, part="train", source=each, size_bytes=1) for each in ids]
    report = find_duplicates(rows, FingerprintStore(tmp_path / "prints", fingerprinter, blobs), NullProgress())
    joined = {frozenset(row.sample_id for row in cluster.members) for cluster in report.clusters}
    assert joined == {frozenset((originals[number], copy)) for number, copy in copied.items()}


def test_a_picture_in_two_lossless_files_has_one_contents(
    fingerprinter: PictureFingerprinter, pictures: list[Picture]
) -> None:
    files = [io.BytesIO(), io.BytesIO()]
    pictures[0].save(files[0], "PNG")
    pictures[0].save(files[1], "BMP")
    contents = {fingerprinter.fingerprint(file.getvalue()).contents for file in files}
    assert len(contents) == 1
    assert fingerprinter.fingerprint(stored(pictures[0])).contents not in contents


def test_tiny_and_flat_pictures_have_fingerprints(fingerprinter: PictureFingerprinter) -> None:
    for size in ((1, 1), (3, 700), (64, 64)):
        found = fingerprinter.fingerprint(stored(Image.new("RGB", size, (0, 0, 0))))
        assert 0 <= fingerprinter.compare(found.trace, found.trace, 0) <= 1


def test_the_digest_changes_with_a_parameter_and_not_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PictureFingerprinter(ImageSection()).digest
    assert PictureFingerprinter(ImageSection(max_bytes=1000)).digest == before
    monkeypatch.setattr(thumbs, "PARAMETERS", (*thumbs.PARAMETERS, 1))
    assert PictureFingerprinter(ImageSection()).digest != before


def test_the_modality_describes_pictures_and_refuses_what_is_none(pictures: list[Picture]) -> None:
    modality = ImageModality(Config(image={"max_bytes": 1_000_000}))  # type: ignore[arg-type]
    data = stored(pictures[0])
    info = modality.inspect(data)
    assert (info.media_type, info.size_bytes) == ("image/jpeg", len(data))
    assert info.details == {"width": pictures[0].width, "height": pictures[0].height}
    for wrong, error in (
        (b"", UnreadableMedia),
        (b"no picture", UnsupportedMedia),
        (data[: len(data) // 2], UnreadableMedia),
        (b"\xff" * 1_000_001, MediaTooLarge),
    ):
        with pytest.raises(error):
            modality.inspect(wrong)
