"""What exported files are called: ``<label>/<recording>_<variant>.wav``, the same in every run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from dataset.entries import Entry
from ecosight.ids import content_digest

__all__ = ["stems"]

_LONGEST = 120
_LONGEST_BYTES = 180
"""File systems take 255; the id, the variant and the ending come behind it."""
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_SHOWN_ID = 12


def stems(entries: Sequence[Entry]) -> dict[str, str]:
    """Folder and beginning of the file names of each sample: sample id -> ``dog_bark/audio1``.

    Samples of one label and name (also where only the case differs) get part of their id behind the name, so no two
    have the same. A name that could be another's with a variant behind it does too.
    """
    folder = _folders({entry.label for entry in entries})
    plain = {entry.sample_id: f"{folder[entry.label]}/{_fit(PurePosixPath(entry.source).stem)}" for entry in entries}
    count = Counter(stem.casefold() for stem in plain.values())
    return {
        sample_id: f"{stem}-{sample_id[:_SHOWN_ID]}" if count[stem.casefold()] > 1 or _begins(stem, count) else stem
        for sample_id, stem in plain.items()
    }


def _folders(labels: Collection[str]) -> dict[str, str]:
    """Label -> folder; labels that would share one, such as ``a?`` and ``a*``, get digits of their digest behind it."""
    fit = {label: _fit(label) for label in labels}
    count = Counter(fit.values())
    return {
        label: name if name == label or count[name] == 1 else f"{name}-{content_digest(label.encode())[:8]}"
        for label, name in fit.items()
    }


def _begins(stem: str, count: Counter[str]) -> bool:
    """Whether the stem without some of its last words is another sample's: ``a_pitch`` beside ``a``."""
    words = stem.casefold().split("_")
    return any("_".join(words[:end]) in count for end in range(1, len(words)))


def _fit(name: str) -> str:
    """A name that every file system takes."""
    clean = _FORBIDDEN.sub("-", name).strip(" .")[:_LONGEST]
    clean = clean.encode()[:_LONGEST_BYTES].decode(errors="ignore") or "unnamed"
    return f"-{clean}" if _RESERVED.fullmatch(clean) else clean
