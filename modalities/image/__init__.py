"""Pictures from camera traps."""

from modalities.image.modality import ImageModality

__all__ = ["ImageModality"]
