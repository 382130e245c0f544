"""Pictures as a kind of sample: what the rest of EcoSight sees of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config
from ecosight.errors import ConfigError, InvalidInput, UnreadableMedia
from ecosight.values import MediaInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecosight.ports import Embedder, Servable
    from ecosight.values import ParityReport
    from modalities.image.fingerprint import PictureFingerprinter
    from modalities.image.quality import PictureQuality

__all__ = ["ImageModality"]

_MEDIA_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "BMP": "image/bmp"}


class ImageModality:
    """Pictures from camera traps: all that datasets need of them. Thread-safe.

    Nothing is trained on pictures or served yet: whoever asks for that is told so (``ConfigError``).
    """

    name = "image"
    extensions = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

    def __init__(self, config: Config) -> None:
        self._config = config
        self.max_bytes = config.image.max_bytes

    def inspect(self, data: bytes) -> MediaInfo:
        from modalities.image.reading import read_picture

        if not data:
            raise UnreadableMedia("the file is empty", hint="Was it copied whole?")
        read = read_picture(data, self._config.image)
        height, width = read.pixels.shape[:2]
        return MediaInfo(
            media_type=_MEDIA_TYPES.get(read.format, f"image/{read.format.lower()}"),
            size_bytes=len(data),
            details={"width": width, "height": height},
        )

    cut_suffix = ".png"

    def cut(self, path: Path, piece: Any) -> bytes:
        """The part of a picture within a box, lossless, as a PNG.

        Raises: InvalidInput: it is no box, or none of this picture. UnreadableMedia: it cannot be decoded.
        """
        from modalities.image.cutting import cut_picture

        if not hasattr(piece, "x0"):
            raise InvalidInput("a picture has no spans of time", hint="Set project.modality to what the files are.")
        return cut_picture(path, piece, self._config.image)

    def fingerprinter(self) -> PictureFingerprinter:
        """What finds copies of a picture (``ecosight.ports.Fingerprinter``)."""
        from modalities.image.fingerprint import PictureFingerprinter

        return PictureFingerprinter(self._config.image)

    def quality_meter(self) -> PictureQuality:
        """What measures how good a picture is (``ecosight.ports.QualityMeter``)."""
        from modalities.image.quality import PictureQuality

        return PictureQuality(self._config)

    def embedder(self) -> Embedder:
        raise _no_models()

    def build_head(self, dimension: int, classes: int, *, seed: int, options: Mapping[str, Any]) -> Any:
        raise _no_models()

    def compile_servable(
        self,
        *,
        head: Any,
        temperature: float,
        labels: Sequence[str],
        examples: Sequence[bytes],
        folder: Path,
        facts: Mapping[str, Any],
    ) -> ParityReport:
        raise _no_models()

    def load_servable(self, folder: Path, *, engine: str = "default", threads: int | None = None) -> Servable:
        raise _no_models()


def _no_models() -> ConfigError:
    return ConfigError(
        "no model can be trained on pictures or served yet",
        hint="Datasets of pictures work: ingest, dataset stats, duplicates, augment, checkout.",
    )
