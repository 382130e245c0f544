"""Embedders of sound, one file each, found by name among the entry points ``ecosight.embedders``.

A plug-in is a callable ``Config -> SoundEmbedder``.
"""

from modalities.sound.embedders.base import SoundEmbedder

__all__ = ["SoundEmbedder"]
