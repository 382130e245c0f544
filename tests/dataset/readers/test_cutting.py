"""Pieces are cut exactly, lose nothing, and are the same bytes every time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset.readers import Box, Found, Span
from dataset.readers.pieces import cut_piece
from ecosight.config import Config
from ecosight.errors import InvalidInput, UnreadableMedia
from modalities.image import ImageModality
from modalities.sound import SoundModality


@pytest.fixture
def sound() -> SoundModality:
    return SoundModality(Config())


def opened(data: bytes, dtype: str = "int16") -> tuple[Any, int, str]:
    import io

    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return file.read(dtype=dtype), file.samplerate, file.subtype


@pytest.mark.parametrize(
    ("ending", "subtype"), [("wav", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_16"), ("wav", "FLOAT")]
)
def test_a_piece_holds_the_exact_samples_at_the_files_own_rate(
    sound: SoundModality, tmp_path: Path, ending: str, subtype: str
) -> None:
    import soundfile

    stereo = np.random.default_rng(1).uniform(-0.9, 0.9, (22050, 2))
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, stereo, 11025, subtype=subtype)
    whole, _ = soundfile.read(path, dtype="float64")
    piece, rate, kept = opened(sound.cut(path, Span(start_s=0.5, end_s=1.25)), "float64")
    assert (rate, kept) == (11025, subtype)
    np.testing.assert_array_equal(piece, whole[round(0.5 * 11025) : round(1.25 * 11025)])


def test_a_piece_of_a_real_recording_is_the_same_bytes_at_another_time(sound: SoundModality) -> None:
    if "ECOSIGHT_DATA" not in os.environ:
        pytest.skip("ECOSIGHT_DATA names no folder of real recordings")
    import soundfile

    path = next(Path(os.environ["ECOSIGHT_DATA"], "audio/esc10/dev/rooster").glob("*.ogg"))
    span = Span(start_s=0.2, end_s=0.9)
    first = sound.cut(path, span)
    time.sleep(1.1)  # a file of floats may hold the second in which it was written
    assert sound.cut(path, span) == first
    whole, rate = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(opened(first, "float32")[0], whole[round(0.2 * rate) : round(0.9 * rate)])


def test_a_recording_of_hours_gives_pieces_though_it_is_over_the_limits(tmp_path: Path, layout: Any) -> None:
    path = layout.sound("long.wav", 400)
    limited = SoundModality(Config.model_validate({"sound": {"max_bytes": 100_000, "max_seconds": 5}}))
    data = limited.cut(path, Span(start_s=390, end_s=391))
    assert limited.inspect(data).details["duration_s"] == 1
    with pytest.raises(UnreadableMedia, match="would last 6 s, the limit is 5 s"):
        limited.cut(path, Span(start_s=390, end_s=396))


def test_what_cannot_be_cut_says_why(sound: SoundModality, layout: Any) -> None:
    path = layout.sound("a.wav", 1)
    with pytest.raises(InvalidInput, match=r"from 0.5 s to 2 s reaches over the end .* 1.000 s"):
        sound.cut(path, Span(start_s=0.5, end_s=2))
    with pytest.raises(InvalidInput, match="no boxes"):
        sound.cut(path, Box(x0=0, y0=0, x1=1, y1=1))
    with pytest.raises(UnreadableMedia, match="cannot be decoded"):
        sound.cut(layout.write("b.wav", "no sound"), Span(start_s=0, end_s=1))
    assert sound.cut(path, Span(start_s=30, end_s=31, maybe_cut=True)) == path.read_bytes()


def test_pieces_stay_with_the_recording_that_they_were_cut_from(sound: SoundModality, layout: Any) -> None:
    from ecosight.ids import content_digest

    path = layout.sound("a.wav", 2)
    piece = cut_piece(Found(path=path, label="fox", span=Span(start_s=0.5, end_s=1)), sound)
    assert (piece.name, piece.whole) == ("a 0.500-1.000s.wav", content_digest(path.read_bytes()))


def test_a_crop_holds_every_pixel_that_the_box_touches(layout: Any) -> None:
    import io

    from PIL import Image

    picture = ImageModality(Config())
    path = layout.picture("a.png", 40, 30)
    whole = np.asarray(Image.open(path))
    for box in (Box(x0=10, y0=5, x1=19.5, y1=15), Box(x0=0.25, y0=1 / 6, x1=0.5, y1=0.5, unit="share")):
        data = picture.cut(path, box)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), whole[5:15, 10:20])
        assert picture.cut(path, box) == data
    with pytest.raises(InvalidInput, match="drawn on a picture of 80 x 60 pixels, this one has 40 x 30"):
        picture.cut(path, Box(x0=0, y0=0, x1=60, y1=50, size=(80, 60)))
    with pytest.raises(InvalidInput, match="reaches out of the picture"):
        picture.cut(path, Box(x0=0, y0=0, x1=60, y1=20))
    with pytest.raises(InvalidInput, match="no spans"):
        picture.cut(path, Span(start_s=0, end_s=1))


@pytest.mark.parametrize(
    ("start", "end"), [(-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.0, float("nan")), (0.0, float("inf"))]
)
def test_a_span_that_is_none_cannot_be_made(start: float, end: float) -> None:
    with pytest.raises(InvalidInput, match="no piece of a recording"):
        Span(start_s=start, end_s=end)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 5, 5, 9), (-5, 0, 5, 5), (0, 0, 45, 5), (0, 0, float("nan"), 5)])
def test_a_box_that_is_none_cannot_be_made(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput, match=r"has no area|reaches out of the picture"):
        Box(x0=box[0], y0=box[1], x1=box[2], y1=box[3], size=(40, 30))
