"""Only the training part is augmented: what is refused, and why. Everything that is augmented passes through here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dataset.entries import Entry
from ecosight.errors import Refused
from ecosight.ids import content_digest

if TYPE_CHECKING:
    from dataset.augmenting.medium import Medium
    from dataset.versions import DatasetVersion

__all__ = ["TRAIN", "check_backgrounds", "check_originals", "train_entries"]

TRAIN = "train"
_WHY = "A copy of a recording that a model is measured on would make the measurement worthless."


def train_entries(version: DatasetVersion, wanted: Iterable[str] | None = None) -> tuple[list[Entry], list[Entry]]:
    """The entries that may be augmented, and those of the training part that may not.

    A version can hold a group on two sides where somebody overrode the rule and gave a reason. Such a group is never
    augmented: its copies would be copies of what a model is measured on.

    Args:
        wanted: ids of samples; None takes the whole training part.
    Returns: both in order of the sample id; the second is empty with ``wanted``.
    Raises: Refused: a wanted sample is in another part, in a torn group, or not in the version at all.
    """
    train = [entry for entry in version.entries if entry.part == TRAIN]
    held_out = {entry.group for entry in version.entries if entry.part != TRAIN}
    allowed = {entry.sample_id: entry for entry in train if entry.group not in held_out}
    if wanted is not None:
        return [_allowed(sample_id, allowed, version) for sample_id in sorted(set(wanted))], []
    torn = [entry for entry in train if entry.group in held_out]
    return [allowed[sample_id] for sample_id in sorted(allowed)], sorted(torn, key=lambda entry: entry.sample_id)


def check_backgrounds(version: DatasetVersion, recordings: Sequence[bytes], medium: Medium) -> None:
    """Recordings that are mixed into others must not be held-out ones either, nor copies that were made before.

    Raises: Refused: one is in the validation or test part, or is an augmented file.
    """
    held_out = {entry.sample_id for entry in version.entries if entry.part != TRAIN}
    for data in recordings:
        digest = content_digest(data)
        if digest in held_out:
            raise Refused(
                f"the background {digest[:12]} is a held-out sample of {version.ref}",
                hint=f"{_WHY} Take it out of the backgrounds.",
                sample_id=digest,
            )
        if (note := medium.note_in(data)) is not None:
            raise Refused(
                f"the background {digest[:12]} is an augmented file ({note[:200]})", hint="Use recordings as they were."
            )


def check_originals(version: DatasetVersion, entry: Entry, data: bytes, medium: Medium) -> None:
    """A sample that is itself an augmented file is not augmented again, nor anything made of it.

    Raises: Refused: it was ingested from a folder of augmented files.
    """
    if (note := medium.note_in(data)) is not None:
        raise Refused(
            f"the sample {entry.sample_id[:12]} ({entry.source}) of {version.ref} is an augmented file ({note[:200]})",
            hint="Take it out of the dataset: its parent may be in any part.",
            sample_id=entry.sample_id,
        )


def _allowed(sample_id: str, allowed: dict[str, Entry], version: DatasetVersion) -> Entry:
    if sample_id in allowed:
        return allowed[sample_id]
    entry = next((entry for entry in version.entries if entry.sample_id == sample_id), None)
    if entry is None:
        where = f"is not in {version.ref}"
    elif entry.part == TRAIN:
        where = f"belongs to {entry.group!r}, which {version.ref} has on two sides"
    else:
        where = f"is in the {entry.part} part of {version.ref}"
    raise Refused(
        f"the sample {sample_id[:12]} {where}: only the training part is augmented", hint=_WHY, sample_id=sample_id
    )
