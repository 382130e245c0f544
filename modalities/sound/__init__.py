"""Sound: microphone recordings, classified on embeddings of their log-mel spectrograms."""

from modalities.sound.modality import SoundModality

__all__ = ["SoundModality"]
