"""The fingerprint of a sound: by which its copies are found, whatever gain, encoding, cut or noise lies between."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

import numpy as np

from ecosight.config import SoundSection
from ecosight.ports import Fingerprint
from modalities.sound import landmarks, signs
from modalities.sound.decoding import DECODER_VERSION, decode

__all__ = ["SoundFingerprinter"]

_VERSION = 1
"""Raise it when the same waveform may give another fingerprint although no parameter changed."""


class SoundFingerprinter:
    """Finds copies of a recording; two recordings of one thing are not copies. Thread-safe, deterministic.

    Implements ``ecosight.ports.Fingerprinter``. Measured by benchmarks/near_duplicates.py. It looks for what an
    archive does to a file; it does not look for sounds that were sped up, slowed down or shifted in pitch.
    """

    name = "sound-triples-signs"
    threshold = 0.31

    def __init__(self, limits: SoundSection) -> None:
        self._limits = limits

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides a fingerprint; half of the cache key."""
        parameters = [self.name, _VERSION, DECODER_VERSION, landmarks.PARAMETERS, signs.PARAMETERS]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()

    def fingerprint(self, data: bytes) -> Fingerprint:
        """The fingerprint of a sound file. Raises InputError: it cannot be read."""
        waveform = decode(data, self._limits).waveform + np.float32(0)  # no negative zeros
        words, places = landmarks.find_words(waveform)
        return Fingerprint(
            contents=hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest(),
            words=words,
            places=places,
            trace=signs.trace(waveform),
        )

    def compare(self, one: bytes, other: bytes, shift: int) -> float:
        """How surely two traces come from one recording, 0 to 1; ``shift`` in hops of 8 ms."""
        return signs.agreement(one, other, shift)
