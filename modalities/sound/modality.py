"""Sound as a kind of sample: what the rest of EcoSight sees of this package."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config
from ecosight.errors import InvalidInput
from ecosight.plugins import load_plugin
from ecosight.values import MediaInfo, ParityReport

if TYPE_CHECKING:
    from modalities.sound.embedders import SoundEmbedder
    from modalities.sound.fingerprint import SoundFingerprinter
    from modalities.sound.quality import SoundQuality
    from modalities.sound.servable import SoundServable

__all__ = ["SoundModality"]


class SoundModality:
    """Microphone recordings: wav, mp3, ogg or flac in, class probabilities out. Thread-safe.

    Implements ``ecosight.ports.Modality``.
    """

    name = "sound"
    extensions = frozenset({".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac"})

    def __init__(self, config: Config) -> None:
        self._config = config
        self._embedder: SoundEmbedder | None = None
        self._lock = threading.Lock()
        self.max_bytes = config.sound.max_bytes

    def inspect(self, data: bytes) -> MediaInfo:
        from modalities.sound.decoding import decode

        sound = decode(data, self._config.sound)
        return MediaInfo(
            media_type=sound.media_type,
            size_bytes=len(data),
            details={
                "duration_s": round(sound.duration_s, 6),
                "sample_rate_hz": sound.sample_rate_hz,
                "channels": sound.channels,
                "peak": round(sound.peak, 6),
            },
        )

    def embedder(self) -> SoundEmbedder:
        with self._lock:
            if self._embedder is None:
                made: SoundEmbedder = load_plugin("ecosight.embedders", self._config.sound.embedder)(self._config)
                self._embedder = made
            return self._embedder

    cut_suffix = ".wav"

    def cut(self, path: Path, piece: Any) -> bytes:
        """A piece of a recording, lossless, as a WAV file.

        Raises: InvalidInput: it is no span, or none of this recording. UnreadableMedia: it cannot be decoded.
        """
        from modalities.sound.cutting import cut_sound

        if not hasattr(piece, "start_s"):
            raise InvalidInput("a recording has no boxes", hint="Set project.modality to what the files are.")
        return cut_sound(path, piece, self._config.sound)

    def fingerprinter(self) -> SoundFingerprinter:
        """What finds copies of a recording (``ecosight.ports.Fingerprinter``)."""
        from modalities.sound.fingerprint import SoundFingerprinter

        return SoundFingerprinter(self._config.sound)

    def quality_meter(self) -> SoundQuality:
        """What measures how good a recording is (``ecosight.ports.QualityMeter``)."""
        from modalities.sound.quality import SoundQuality

        return SoundQuality(self._config.sound)

    def build_head(self, dimension: int, classes: int, *, seed: int, options: Mapping[str, Any]) -> Any:
        from modalities.sound.head import build_head

        return build_head(dimension, classes, seed=seed, options=options)

    def compile_servable(
        self,
        *,
        head: Any,
        temperature: float,
        labels: Sequence[str],
        examples: Sequence[bytes],
        folder: Path,
        facts: Mapping[str, Any],
    ) -> ParityReport:
        from modalities.sound.servable import compile_servable

        return compile_servable(
            embedder=self.embedder(),
            limits=self._config.sound,
            head=head,
            temperature=temperature,
            labels=labels,
            examples=examples,
            folder=folder,
            facts=facts,
        )

    def load_servable(self, folder: Path, *, engine: str = "default", threads: int | None = None) -> SoundServable:
        from modalities.sound.servable import load_servable

        return load_servable(folder, limits=self._config.sound, engine=engine, threads=threads)
