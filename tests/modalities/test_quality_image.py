"""What is wrong with a picture is found, whatever is on it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from ecosight.config import Config
from ecosight.errors import InputError
from ecosight.ports import QualityMeter
from modalities.image.quality import PictureQuality


@pytest.fixture(scope="module")
def meter() -> QualityMeter:
    return PictureQuality(Config())


def flags(meter: QualityMeter, picture: Image.Image) -> set[str]:
    return set(meter.flags(meter.quality(written(picture))))


def written(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


@pytest.fixture(scope="module")
def raccoons(audio_data: Path) -> list[Image.Image]:
    """Every tenth of the real pictures."""
    files = sorted((audio_data / "images" / "raccoon" / "dev" / "images").iterdir())[::10]
    return [Image.open(file).convert("RGB") for file in files]


def test_real_pictures_are_good_and_made_worse_they_are_not(meter: QualityMeter, raccoons: list[Image.Image]) -> None:
    many = len(raccoons)
    assert sum(not flags(meter, each) for each in raccoons) >= 0.9 * many
    blurred = [each.filter(ImageFilter.GaussianBlur(max(each.size) / 100)) for each in raccoons]
    assert all("blurred" in flags(meter, each) for each in blurred)
    assert all("dark" in flags(meter, ImageEnhance.Brightness(each).enhance(0.15)) for each in raccoons)
    bright = [ImageEnhance.Brightness(each).enhance(3.5) for each in raccoons]
    assert sum("overexposed" in flags(meter, each) for each in bright) >= 0.8 * many
    assert all("low contrast" in flags(meter, ImageEnhance.Contrast(each).enhance(0.15)) for each in raccoons)


def test_a_picture_by_infrared_light_is_not_worse_for_being_grey(
    meter: QualityMeter, raccoons: list[Image.Image]
) -> None:
    assert [flags(meter, each.convert("L")) for each in raccoons] == [flags(meter, each) for each in raccoons]


def test_size_does_not_decide_sharpness(meter: QualityMeter, raccoons: list[Image.Image]) -> None:
    large = max(raccoons, key=lambda each: each.width)
    small = large.resize((large.width // 2, large.height // 2), Image.Resampling.BOX)
    one, two = (meter.quality(written(each))["sharpness"] for each in (large, small))
    assert one == pytest.approx(two, rel=0.35)


def test_figures_are_finite_and_named_for_the_smallest_picture(meter: QualityMeter) -> None:
    for size in ((1, 1), (2, 900), (64, 64)):
        figures = meter.quality(written(Image.new("RGB", size, (90, 90, 90))))
        assert set(figures) == set(meter.units)
        assert np.isfinite(list(figures.values())).all()
        assert set(meter.flags(figures)) <= set(meter.rules)


def test_what_cannot_be_seen_whole_is_refused(meter: QualityMeter, audio_data: Path) -> None:
    folder = audio_data / "images" / "speciesnet_test_images" / "images"
    cut = (folder / "african_elephants_truncated_file.jpg").read_bytes()
    for data in (cut, b"", b"no picture"):
        with pytest.raises(InputError):
            meter.quality(data)
