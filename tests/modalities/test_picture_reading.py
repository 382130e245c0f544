"""Pictures of more than 8 bits, as thermal and infrared cameras store them, keep what is on them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dataset.readers.values import Box
from ecosight.config import Config
from modalities.image import ImageModality
from modalities.image.augmentation import PictureMedium
from modalities.image.reading import read_picture

CONFIG = Config()


def stored(values: NDArray[Any], format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, format, **options)
    return file.getvalue()


def thermal(seed: int = 0, low: int = 7000, high: int = 9000) -> NDArray[np.uint16]:
    """Slow waves of warmth, a little noise, and a warm animal."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:120, 0:160] / 40
    waves = np.sin(x * rng.uniform(0.5, 2) + rng.uniform(0, 6)) * np.cos(y * rng.uniform(0.5, 2))
    values = low + (waves + 1) / 2 * 0.7 * (high - low) + rng.uniform(0, 0.02, waves.shape) * (high - low)
    values[40:60, 50:80] = high
    return values.astype(np.uint16)


def shown(data: bytes) -> NDArray[np.uint8]:
    pixels = read_picture(data, CONFIG.image).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    return pixels[..., 0]


@pytest.mark.parametrize(
    ("format", "kind"), [("PNG", "u2"), ("TIFF", "u2"), ("TIFF", ">u2"), ("TIFF", "i4"), ("TIFF", "f4")]
)
def test_a_thermal_picture_keeps_its_content_in_every_file(format: str, kind: str) -> None:
    values = thermal()
    pixels = shown(stored(values.astype(kind), format)).astype(float)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.corrcoef(pixels.ravel(), values.ravel())[0, 1] > 0.999
    assert (pixels[40:60, 50:80] == 255).all()


def test_one_dead_pixel_does_not_take_the_range_from_all_others() -> None:
    values = thermal()
    values[5, 5], values[6, 6] = 65_535, 0
    assert np.abs(shown(stored(values)).astype(int) - shown(stored(thermal())).astype(int))[10:].max() <= 1


def test_a_few_pixels_that_differ_are_still_seen() -> None:
    values = np.full((200, 200), 7000, np.uint16)
    values[100:102, 100:102] = 7500
    assert sorted(np.unique(shown(stored(values)))) == [0, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_takes_nothing_from_the_others(bad: float) -> None:
    values = thermal().astype(np.float32) / 100 - 85
    values[0, :3] = bad
    pixels = shown(stored(values, "TIFF"))
    assert (pixels[1:].min(), pixels[1:].max()) == (0, 255)
    assert set(np.unique(pixels[0, :3])) == {255 if bad == np.inf else 0}
    assert (shown(stored(np.full((4, 4), bad, np.float32), "TIFF")) == 0).all()


def test_a_flat_one_is_black_and_the_widest_range_breaks_nothing() -> None:
    assert (shown(stored(np.full((9, 9), 7000, np.uint16))) == 0).all()
    widest = np.array([[-3e38, 0, 3e38]], np.float32)
    assert shown(stored(widest, "TIFF")).tolist() == [[0, 128, 255]]


def test_a_picture_of_8_bits_is_as_it_was() -> None:
    grey = np.random.default_rng(1).integers(90, 110, (20, 30), np.uint8)
    assert (shown(stored(grey)) == grey).all()


def test_a_deep_picture_on_its_side_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = shown(stored(thermal(), exif=exif))
    assert (upright == np.rot90(shown(stored(thermal())), -1)).all()


def test_different_deep_pictures_are_no_copies_of_each_other_and_measured_as_pictures() -> None:
    modality = ImageModality(CONFIG)
    fingerprints, meter = modality.fingerprinter(), modality.quality_meter()
    files = [stored(thermal(seed)) for seed in range(6)]
    made = [fingerprints.fingerprint(each) for each in files]
    assert len({each.contents for each in made}) == 6
    assert made[0].contents == fingerprints.fingerprint(stored(thermal(0), "TIFF")).contents
    for each in files:
        assert not {"overexposed", "low contrast"} & set(meter.flags(meter.quality(each)))


def test_pieces_and_variants_of_deep_pictures_hold_what_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "ir.png"
    path.write_bytes(stored(thermal()))
    crop = np.asarray(Image.open(io.BytesIO(ImageModality(CONFIG).cut(path, Box(x0=40, y0=30, x1=90, y1=70)))))
    assert (crop[..., 0] == shown(path.read_bytes())[30:70, 40:90]).all()
    assert crop.std() > 20
    picture = PictureMedium(CONFIG).read(path.read_bytes())
    assert np.unique(picture.pixels).size > 100
