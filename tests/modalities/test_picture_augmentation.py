"""A box on a varied picture still frames the pixels that it framed, and red stays red."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from ecosight.config import Config
from ecosight.errors import InvalidInput, UnreadableMedia
from ecosight.plugins import load_plugin
from modalities.image.augmentation import Crop, Picture, PictureMedium, clip_boxes, cropped, flipped
from modalities.image.augmentation.appearance import luma

MEDIUM = PictureMedium(Config())
TECHNIQUES = ("blur", "colour", "combined", "crop", "flip", "night")
DAYLIGHT = ("blur", "colour", "crop", "flip")


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def marked(width: int, height: int, box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Picture:
    """A dim grey picture with one rectangle painted on it, and the box around that."""
    pixels = rng().integers(20, 40, (height, width, 1), np.uint8).repeat(3, axis=2)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = colour
    return Picture(pixels=pixels, boxes=np.array([box], float), labels=("mark",))


def found(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box around what is true."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


marks = st.tuples(
    st.integers(60, 200), st.integers(60, 200), st.integers(0, 30), st.integers(0, 30), st.integers(12, 28)
)


@given(marks, st.integers(0, 2**64))
@pytest.mark.parametrize("name", TECHNIQUES)
def test_the_box_frames_the_mark_wherever_it_went(name: str, place: tuple[int, int, int, int, int], seed: int) -> None:
    width, height, x0, y0, side = place
    picture = marked(width, height, (x0, y0, x0 + side, y0 + side), (255, 255, 255))
    made = load_plugin("ecosight.picture_augmentations", name)(picture, rng(seed))
    assert made.labels == ("mark",)  # one box, so a crop must leave it
    bright = uniform_filter(luma(made.pixels)[..., 0], 5, mode="nearest")  # above single pixels of noise at night
    where = found(bright > (bright.max() + np.median(bright)) / 2)
    # That filter, noise, and the edge of a blur may each take a pixel of the mark.
    assert np.abs(made.boxes[0] - where).max() <= 3


@pytest.mark.parametrize("name", TECHNIQUES)
def test_the_same_seed_gives_the_same_picture_and_leaves_the_first_alone(name: str) -> None:
    picture = marked(90, 70, (5, 6, 30, 40), (200, 30, 30))
    pixels, boxes = picture.pixels.copy(), picture.boxes.copy()
    technique = load_plugin("ecosight.picture_augmentations", name)
    (one, told), (two, again) = (technique.traced(picture, rng(8)) for _ in range(2))
    assert (one.pixels == two.pixels).all()
    assert (one.boxes == two.boxes).all()
    assert told == again
    assert (picture.pixels == pixels).all()
    assert (picture.boxes == boxes).all()


@pytest.mark.parametrize("name", DAYLIGHT)
@pytest.mark.parametrize(("colour", "channel"), [((230, 20, 20), 0), ((20, 20, 230), 2)])
def test_red_stays_red_and_blue_blue_also_through_a_file(name: str, colour: tuple[int, int, int], channel: int) -> None:
    picture = marked(100, 80, (10, 10, 60, 50), colour)
    for seed in range(5):
        made, _ = MEDIUM.apply(load_plugin("ecosight.picture_augmentations", name), picture, rng(seed))
        for pixels in (made.pixels, np.asarray(Image.open(io.BytesIO(MEDIUM.write(made, "x"))))):
            x0, y0, x1, y1 = (int(edge) for edge in made.boxes[0])
            inside = pixels[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].reshape(-1, 3).mean(axis=0)
            assert inside.argmax() == channel
            assert inside[channel] > 2 * inside[2 - channel]


def test_brightness_weighs_red_as_red() -> None:
    red, blue = (np.array([[colour]], np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    assert luma(red)[0, 0, 0] == pytest.approx(76.2, abs=0.1)
    assert luma(blue)[0, 0, 0] == pytest.approx(29.1, abs=0.1)


def test_two_flips_are_none() -> None:
    picture = marked(91, 70, (5, 6, 30, 40), (200, 30, 30))
    assert (flipped(picture).boxes == [[61, 6, 86, 40]]).all()
    twice = flipped(flipped(picture))
    assert (twice.pixels == picture.pixels).all()
    assert (twice.boxes == picture.boxes).all()


def test_a_cropped_box_is_cut_off_and_dropped_when_little_is_left() -> None:
    picture = marked(100, 100, (40, 40, 60, 60), (255, 255, 255))
    half = cropped(picture, 50, 0, 50, 100)
    assert (half.boxes == [[0, 40, 10, 60]]).all()  # pixels of the part, not of the whole
    assert cropped(picture, 55, 0, 45, 100).labels == ()  # a quarter is left
    assert cropped(picture, 55, 0, 45, 100, min_share=0.25).labels == ("mark",)
    assert cropped(picture, 60, 0, 40, 100, min_share=0).labels == ()  # nothing is left


edges = st.floats(-50, 150)


@given(st.lists(st.tuples(edges, edges, st.floats(0.1, 90), st.floats(0.1, 90)), max_size=5), st.floats(0, 1))
def test_clipped_boxes_lie_within_and_hold_their_share(
    places: list[tuple[float, float, float, float]], share: float
) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in places]).reshape(-1, 4)
    labels = tuple(str(n) for n in range(len(boxes)))
    kept, names = clip_boxes(boxes, labels, (100, 80), min_share=share)
    Picture(pixels=np.zeros((80, 100, 3), np.uint8), boxes=kept, labels=names)  # which checks that they lie within
    for box, name in zip(kept, names, strict=True):
        x0, y0, x1, y1 = boxes[int(name)]
        left = (box[2] - box[0]) * (box[3] - box[1])
        assert left >= share * (x1 - x0) * (y1 - y0) - 1e-6
    inside = [
        name for name, (x0, y0, x1, y1) in zip(labels, boxes, strict=True) if x0 >= 0 <= y0 and x1 <= 100 and y1 <= 80
    ]
    assert set(inside) <= set(names)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
@pytest.mark.parametrize("name", TECHNIQUES)
def test_pictures_of_any_size_come_through(name: str, width: int, height: int, seed: int) -> None:
    picture = Picture(pixels=rng(seed).integers(0, 256, (height, width, 3), np.uint8))
    made = load_plugin("ecosight.picture_augmentations", name)(picture, rng(seed))
    assert made.pixels.dtype == np.uint8
    assert made.boxes.shape == (0, 4)


def test_a_night_picture_is_grey_and_darker() -> None:
    picture = Picture(pixels=rng().integers(60, 256, (60, 80, 3), np.uint8))
    made = load_plugin("ecosight.picture_augmentations", "night")(picture, rng())
    assert (made.pixels[..., 0] == made.pixels[..., 2]).all()
    assert made.pixels.mean() < 0.85 * picture.pixels.mean()


@pytest.mark.parametrize(
    ("pixels", "boxes"),
    [
        (np.zeros((5, 5), np.uint8), []),
        (np.zeros((5, 5, 4), np.uint8), []),
        (np.zeros((5, 5, 3)), []),
        (np.zeros((0, 5, 3), np.uint8), []),
        (np.zeros((5, 5, 3), np.uint8), [[0, 0, 6, 5]]),
        (np.zeros((5, 5, 3), np.uint8), [[2, 0, 2, 5]]),
        (np.zeros((5, 5, 3), np.uint8), [[-1, 0, 2, 5]]),
        (np.zeros((5, 5, 3), np.uint8), [[np.nan, 0, 2, 5]]),
    ],
)
def test_what_is_no_rgb_picture_with_boxes_on_it_is_refused(
    pixels: NDArray[np.uint8], boxes: list[list[float]]
) -> None:
    with pytest.raises(InvalidInput):
        Picture(pixels=pixels, boxes=np.array(boxes, float).reshape(-1, 4), labels=("x",) * len(boxes))


def test_bad_marks_are_told() -> None:
    data = MEDIUM.write(marked(50, 50, (1, 1, 9, 9), (255, 0, 0)), "x")
    for bad in ([{"label": "fox"}], [{"box": "none", "label": "fox"}], [{"box": [1, 2, 3], "label": "f"}], 7):
        with pytest.raises(InvalidInput):
            MEDIUM.read(data, bad)


def test_a_written_picture_says_what_it_is() -> None:
    picture = marked(50, 50, (1, 1, 9, 9), (255, 0, 0))
    data = MEDIUM.write(picture, "parent=abc variant=flip")
    assert data == MEDIUM.write(picture, "parent=abc variant=flip")
    assert MEDIUM.note_in(data) == "parent=abc variant=flip"
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "JPEG", comment=b"holiday")
    assert MEDIUM.note_in(buffer.getvalue()) is None


def test_a_picture_on_its_side_is_turned_before_its_boxes_are_read() -> None:
    picture = marked(60, 40, (0, 0, 12, 12), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise when shown
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "JPEG", quality=95, exif=exif)
    shown = MEDIUM.read(buffer.getvalue(), [{"box": [28, 0, 40, 12], "label": "mark"}])
    assert shown.size == (40, 60)
    where = found(shown.pixels[..., 0] > 150)
    assert np.abs(shown.boxes[0] - where).max() <= 1
    assert MEDIUM.marks(shown) == [{"box": [28.0, 0.0, 40.0, 12.0], "label": "mark"}]


def test_real_pictures_keep_what_is_in_their_boxes(audio_data: Path) -> None:
    """The patch in each box of the flipped or cropped picture equals the patch in the box before."""
    folder = audio_data / "images" / "raccoon" / "dev"
    for annotation in sorted((folder / "annotations").glob("*.xml"))[:12]:
        root = ElementTree.parse(annotation).getroot()
        data = next((folder / "images").glob(f"{annotation.stem}.*")).read_bytes()
        marks = [
            {
                "box": [float(each.findtext(f"bndbox/{edge}") or 0) for edge in ("xmin", "ymin", "xmax", "ymax")],
                "label": "r",
            }
            for each in root.iter("object")
        ]
        picture = MEDIUM.read(data, marks)
        flipped_back = flipped(flipped(picture))
        assert (patch(flipped_back, 0) == patch(picture, 0)).all()
        assert (patch(flipped(picture), 0)[:, ::-1] == patch(picture, 0)).all()
        for seed in range(3):
            made, told = Crop(min_share=1.0).traced(picture, rng(seed))
            x, y, width, height = told["crop"]
            assert made.size == (width, height)
            for box in made.boxes:
                x0, y0, x1, y1 = (int(edge) for edge in box)
                same = picture.pixels[y + y0 : y + y1, x + x0 : x + x1]
                assert (made.pixels[y0:y1, x0:x1] == same).all()


def patch(picture: Picture, index: int) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = (int(edge) for edge in picture.boxes[index])
    return picture.pixels[y0:y1, x0:x1]


def test_camera_trap_pictures_of_every_kind_are_read_or_told(audio_data: Path) -> None:
    folder = audio_data / "images" / "speciesnet_test_images" / "images"
    told = []
    for path in sorted(folder.iterdir()):
        try:
            picture = MEDIUM.read(path.read_bytes())
        except UnreadableMedia:
            told.append(path.name)
            continue
        small = cropped(picture, 0, 0, min(200, picture.size[0]), min(150, picture.size[1]))
        for name in TECHNIQUES:
            made, _ = MEDIUM.apply(load_plugin("ecosight.picture_augmentations", name), small, rng())
            assert MEDIUM.read(MEDIUM.write(made, "x")).size == made.size
    assert all("trunc" in name or "corrupt" in name for name in told), told
