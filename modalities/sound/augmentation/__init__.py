"""Ways to vary a recording so that a model hears more than was recorded. The face of this room."""

from modalities.sound.augmentation.background import Background, mix_at_snr
from modalities.sound.augmentation.masking import SpecMask, spec_augment
from modalities.sound.augmentation.medium import SoundMedium
from modalities.sound.augmentation.techniques import Combined, Noise, Pitch, SoundTechnique, Stretch, TimeShift, Volume
from modalities.sound.augmentation.vocoder import pitch_shift, time_stretch

__all__ = [
    "Background",
    "Combined",
    "Noise",
    "Pitch",
    "SoundMedium",
    "SoundTechnique",
    "SpecMask",
    "Stretch",
    "TimeShift",
    "Volume",
    "mix_at_snr",
    "pitch_shift",
    "spec_augment",
    "time_stretch",
]
