"""Ways to vary a picture and the boxes on it. The face of this room."""

from modalities.image.augmentation.appearance import Blur, Colour, Night
from modalities.image.augmentation.combining import Combined
from modalities.image.augmentation.geometry import Crop, Flip, cropped, flipped
from modalities.image.augmentation.medium import PictureMedium
from modalities.image.augmentation.picture import Picture, PictureTechnique, clip_boxes

__all__ = [
    "Blur",
    "Colour",
    "Combined",
    "Crop",
    "Flip",
    "Night",
    "Picture",
    "PictureMedium",
    "PictureTechnique",
    "clip_boxes",
    "cropped",
    "flipped",
]
