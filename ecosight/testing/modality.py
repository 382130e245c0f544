"""What every ``Modality`` must do with raw bytes, whatever kind of sample it reads."""

from __future__ import annotations

import json

import pytest

from ecosight.errors import InputError, UnreadableMedia, UnsupportedMedia
from ecosight.ports import Modality

__all__ = ["ModalityConformance"]


class ModalityConformance:
    """Fixtures ``modality``: a Modality; ``samples``: raw files that it accepts, each a few kilobytes at least."""

    def test_it_says_what_it_is(self, modality: Modality) -> None:
        assert modality.name == modality.name.lower()
        assert modality.extensions
        assert all(each.startswith(".") and each == each.lower() for each in modality.extensions)

    def test_inspecting_describes_the_bytes(self, modality: Modality, samples: list[bytes]) -> None:
        for sample in samples:
            info = modality.inspect(sample)
            assert info.size_bytes == len(sample)
            assert "/" in info.media_type
            json.dumps(dict(info.details), allow_nan=False)

    def test_inspecting_is_deterministic(self, modality: Modality, samples: list[bytes]) -> None:
        assert modality.inspect(samples[0]) == modality.inspect(samples[0])

    def test_empty_bytes_are_refused(self, modality: Modality) -> None:
        with pytest.raises(InputError):
            modality.inspect(b"")

    @pytest.mark.parametrize("junk", [b"plain text", b"\0" * 4096, b"%PDF-1.7 not a medium of ours", b"PK\3\4"])
    def test_junk_is_refused_in_one_sentence(self, modality: Modality, junk: bytes) -> None:
        with pytest.raises((UnsupportedMedia, UnreadableMedia)) as caught:
            modality.inspect(junk)
        assert caught.value.message
        assert "\n" not in caught.value.message

    def test_a_file_cut_off_in_its_header_is_refused(self, modality: Modality, samples: list[bytes]) -> None:
        for sample in samples:
            with pytest.raises(InputError):
                modality.inspect(sample[:16])

    def test_a_file_cut_off_anywhere_never_crashes(self, modality: Modality, samples: list[bytes]) -> None:
        for sample in samples:
            for eighth in range(1, 8):
                try:
                    modality.inspect(sample[: len(sample) * eighth // 8])
                except InputError:
                    continue  # refusing is right, and so is accepting what can be decoded

    def test_its_embedder_is_made_once(self, modality: Modality) -> None:
        assert modality.embedder() is modality.embedder()
