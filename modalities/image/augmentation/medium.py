"""Pictures as something that can be varied: read as RGB and upright, given to a technique, written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecosight.config import Config
from ecosight.errors import InvalidInput
from modalities.image.augmentation.picture import Picture, clip_boxes
from modalities.image.reading import DECODER_VERSION, read_picture

__all__ = ["PictureMedium"]

_NOTE_PREFIX = "ecosight-augmented"
_QUALITY = 95


class PictureMedium:
    """What the augmentation of datasets needs of pictures. Implements ``dataset.augmenting.medium.Medium``.

    Marks are boxes: ``[{"box": [x0, y0, x1, y1], "label": "fox"}]``, in pixels of the picture as it is shown (that
    is, after its EXIF orientation). Thread-safe; may be sent to another process.
    """

    name = "image"
    family = "ecosight.picture_augmentations"
    suffix = ".jpg"
    defaults = ("flip", "crop", "colour", "blur/night", "combined")
    identity = f"image {DECODER_VERSION}: RGB, upright, jpeg 95 without subsampling"
    """Changes whenever the same bytes and techniques could give other variants."""
    takes_marks = True

    def __init__(self, config: Config) -> None:
        self._limits = config.image
        self.max_bytes = config.image.max_bytes

    def read(self, data: bytes, marks: Any = None) -> Picture:
        """Decode a picture; grey, palette and CMYK ones become RGB too.

        Raises: InputError: as ``read_picture``. InvalidInput: the marks.
        """
        pixels = read_picture(data, self._limits).pixels
        boxes, labels = _read_marks(marks)
        boxes, labels = clip_boxes(boxes, labels, (pixels.shape[1], pixels.shape[0]))
        return Picture(pixels=pixels, boxes=boxes, labels=labels)

    def apply(self, technique: Any, picture: Picture, rng: np.random.Generator) -> tuple[Picture, Mapping[str, Any]]:
        """The picture as a technique varies it, and what it drew. Raises: InvalidInput: it gave no picture."""
        made, told = technique.traced(picture, rng) if hasattr(technique, "traced") else (technique(picture, rng), {})
        if not isinstance(made, Picture):
            raise InvalidInput(
                f"the technique {technique!r} gave {type(made).__name__}, where a Picture was expected",
                hint="A technique for pictures is a callable (picture, rng) -> picture.",
            )
        return made, told

    def write(self, picture: Picture, note: str) -> bytes:
        """The picture as a JPEG file, with a note in it. The same picture is the same bytes."""
        from PIL import Image

        buffer = io.BytesIO()
        comment = f"{_NOTE_PREFIX} {note}".encode()
        Image.fromarray(picture.pixels).save(buffer, "JPEG", quality=_QUALITY, subsampling=0, comment=comment)
        return buffer.getvalue()

    def marks(self, picture: Picture) -> Any:
        """The boxes, in pixels of the picture as it is now; JSON."""
        rows = zip(picture.boxes.tolist(), picture.labels, strict=True)
        return [{"box": [round(edge, 3) for edge in box], "label": label} for box, label in rows]

    def note_in(self, data: bytes) -> str | None:
        """The note of a file that ``write`` made; None for any other file."""
        head = data[:4096]
        at = head.find(_NOTE_PREFIX.encode())
        if data[:2] != b"\xff\xd8" or at < 4 or head[at - 4 : at - 2] != b"\xff\xfe":
            return None
        length = int.from_bytes(head[at - 2 : at], "big") - 2
        return data[at : at + length].decode("utf-8", "replace").removeprefix(_NOTE_PREFIX).strip()

    def background(self, recordings: Sequence[bytes], snr_db: tuple[float, float]) -> Any:
        """Raises: InvalidInput: nothing is mixed into pictures."""
        raise InvalidInput("pictures have no background that could be mixed in", hint="Leave --background out.")


def _read_marks(marks: Any) -> tuple[np.ndarray[Any, np.dtype[np.float64]], tuple[str, ...]]:
    try:
        boxes = np.array([[float(edge) for edge in mark["box"]] for mark in marks or []], np.float64).reshape(-1, 4)
        labels = tuple(str(mark["label"]) for mark in marks or [])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            "the marks of a picture are not boxes", hint='Such as [{"box": [10, 20, 110, 90], "label": "fox"}].'
        ) from error
    if not np.isfinite(boxes).all():
        raise InvalidInput("a box has an edge that is not a number", hint="Boxes are x0, y0, x1, y1 in pixels.")
    return boxes, labels
