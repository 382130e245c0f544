"""A picture file as upright RGB pixels, whatever it was stored as."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosight.config import ImageSection
from ecosight.errors import MediaTooLarge, UnreadableMedia, UnsupportedMedia
from modalities.image.depth import as_8_bits, is_deep

__all__ = ["DECODER_VERSION", "MOST_PIXELS", "Read", "read_picture"]

DECODER_VERSION = 2
"""Part of every identity that pixels decide: raise it when the same file may give other pixels.

2: pictures of 16 bits are no longer white. Fingerprints and figures are kept by a sample's id, which does not tell how
deep it is, so those of all pictures are made again, once."""
MOST_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A decoded picture: pixels uint8 (height, width, 3), red, green, blue; its format, such as ``JPEG``."""

    pixels: NDArray[np.uint8]
    format: str


def read_picture(data: bytes, limits: ImageSection) -> Read:
    """Decode a picture and turn it upright by its EXIF orientation; grey, palette and CMYK ones become RGB too.

    Grey pictures of more than 8 bits are stretched to their own range; see ``modalities.image.depth``.

    Raises: MediaTooLarge: too many bytes or pixels. UnsupportedMedia: no picture. UnreadableMedia: a damaged one.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(data) > limits.max_bytes:
        raise MediaTooLarge(
            f"the picture has {len(data):,} bytes, more than the {limits.max_bytes:,} that are allowed",
            hint="Make it smaller first.",
        )
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise MediaTooLarge(
                    f"the picture has {opened.width} x {opened.height} pixels", hint="Make it smaller first."
                )
            upright = ImageOps.exif_transpose(opened)
            if is_deep(upright):
                upright = Image.fromarray(as_8_bits(upright))
            pixels = np.asarray(upright.convert("RGB"))
            return Read(pixels=pixels, format=opened.format or "")
    except UnidentifiedImageError as error:
        raise UnsupportedMedia("this is no picture that is known here", hint="JPEG and PNG are.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableMedia("the picture cannot be decoded", hint="It is damaged or cut.") from error
