"""What augmentation needs of a kind of sample. Datasets are blind to what their samples are; a medium is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ecosight.plugins import load_plugin, plugin_names

if TYPE_CHECKING:
    import numpy as np

    from ecosight.config import Config

__all__ = ["MEDIA", "Medium", "note_reader", "open_medium"]

MEDIA = "ecosight.augmented_media"
"""The family of plug-ins ``Config -> Medium``, named as the modalities are."""


class Medium(Protocol):
    """One kind of sample. Thread-safe; can be sent to another process.

    Techniques are plug-ins of the family that the medium names; what a technique is called with is between the two.
    """

    name: str
    family: str
    suffix: str
    """File name ending of what ``write`` gives, with the dot."""
    defaults: tuple[str, ...]
    """Techniques that are taken in turn where nobody names any; ``a/b`` draws one of the two for each sample."""
    identity: str
    """Changes whenever the same bytes and techniques could give other variants."""
    takes_marks: bool
    """Whether ``read`` makes something of marks. One without this attribute is never given any."""
    max_bytes: int

    def read(self, data: bytes, marks: Any = None) -> Any:
        """A sample as techniques take it. ``marks``: what is known about places in it, such as boxes; JSON.

        Raises: InputError: it cannot be read.
        """
        ...

    def apply(self, technique: Any, subject: Any, rng: np.random.Generator) -> tuple[Any, Mapping[str, Any]]:
        """What a technique makes of it, and what it drew (JSON)."""
        ...

    def write(self, subject: Any, note: str) -> bytes:
        """A file with a note in it. The same subject and note are the same bytes."""
        ...

    def marks(self, subject: Any) -> Any:
        """The marks, where they are now; JSON, or None."""
        ...

    def note_in(self, data: bytes) -> str | None:
        """The note of a file that ``write`` made; None for any other file."""
        ...

    def background(self, recordings: Sequence[bytes], snr_db: tuple[float, float]) -> Any:
        """The technique that mixes these in. Raises: InvalidInput: the medium has no use for them."""
        ...


def open_medium(config: Config) -> Medium:
    """The medium of the configured modality. Raises: NotFound: nobody wrote one for it."""
    made: Medium = load_plugin(MEDIA, config.project.modality)(config)
    return made


def note_reader(config: Config) -> Callable[[bytes], str | None]:
    """Tells the note of an augmented file, for who must not take one in; None for every file where no medium is known.

    The medium is opened with the first file: a program that takes in nothing does not wait for it.
    """

    @cache
    def medium() -> Medium | None:
        return open_medium(config) if config.project.modality in plugin_names(MEDIA) else None

    def note_in(data: bytes) -> str | None:
        opened = medium()
        return None if opened is None else opened.note_in(data)

    return note_in
