"""Several techniques on one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modalities.image.augmentation.appearance import blur, colour, night
from modalities.image.augmentation.geometry import crop, flip
from modalities.image.augmentation.picture import Picture, PictureTechnique, Traced

__all__ = ["Combined"]


@dataclass(frozen=True, slots=True)
class Combined(PictureTechnique):
    """Two or three techniques, drawn from named ones and applied in their order."""

    choices: tuple[tuple[str, PictureTechnique], ...]

    def traced(self, picture: Picture, rng: np.random.Generator) -> Traced:
        count = min(int(rng.integers(2, 4)), len(self.choices))
        steps = []
        for index in sorted(rng.choice(len(self.choices), size=count, replace=False)):
            name, technique = self.choices[index]
            picture, drawn = technique.traced(picture, rng)
            steps.append({"technique": name, **drawn})
        return picture, {"steps": steps}


combined = Combined((("flip", flip), ("crop", crop), ("colour", colour), ("blur", blur), ("night", night)))
