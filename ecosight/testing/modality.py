"""What every ``Modality`` must do with raw bytes and with models, whatever kind of sample it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InputError, IntegrityError, NotFound, UnreadableMedia, UnsupportedMedia
from ecosight.ports import Modality
from ecosight.values import ParityReport

__all__ = ["CompilingConformance", "ModalityConformance"]


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


class CompilingConformance:
    """What a ``Modality`` must do with models. Fixtures as for ``ModalityConformance``, and ``tmp_path``."""

    LABELS = ("first", "second", "third")

    def test_a_head_has_a_normalization_and_gives_logits(self, modality: Modality) -> None:
        head = modality.build_head(6, len(self.LABELS), seed=1, options={})
        assert head.get_layer("normalization") is not None
        assert tuple(head.output_shape) == (None, len(self.LABELS))

    def test_a_head_depends_on_its_seed_alone(self, modality: Modality) -> None:
        weights = [modality.build_head(6, 3, seed=seed, options={}).get_weights() for seed in (5, 5, 6)]
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
        assert any(not np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))

    def test_a_compiled_model_gives_the_answers_of_its_parts(
        self, modality: Modality, samples: list[bytes], tmp_path: Path
    ) -> None:
        head = self._head(modality, samples)
        report = self._compile(modality, head, samples, tmp_path)
        assert report.passed
        assert report.samples == len(samples)
        servable = modality.load_servable(tmp_path)
        servable.warm()
        logits = np.asarray(head(modality.embedder().embed(samples), training=False), np.float64) / 2.0
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        found = servable.predict([servable.prepare(each) for each in samples])
        np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True), atol=report.tolerance)

    def test_a_model_that_takes_one_core_gives_the_same_answers(
        self, modality: Modality, samples: list[bytes], tmp_path: Path
    ) -> None:
        report = self._compile(modality, self._head(modality, samples), samples, tmp_path)
        found = []
        for threads in (None, 1):
            servable = modality.load_servable(tmp_path, threads=threads)
            found.append(servable.predict([servable.prepare(each) for each in samples]))
        np.testing.assert_allclose(found[0], found[1], atol=report.tolerance)

    def test_an_artifact_describes_itself(self, modality: Modality, samples: list[bytes], tmp_path: Path) -> None:
        self._compile(modality, self._head(modality, samples), samples, tmp_path)
        servable = modality.load_servable(tmp_path)
        assert servable.labels == self.LABELS
        assert servable.info["modality"] == modality.name
        assert servable.info["embedder"]["digest"] == modality.embedder().digest
        assert servable.info["temperature"] == 2.0
        assert servable.info["facts"] == {"dataset": "main@v1"}

    def test_compiling_again_gives_the_same_artifact(
        self, modality: Modality, samples: list[bytes], tmp_path: Path
    ) -> None:
        head = self._head(modality, samples)
        digests = []
        for name in ("once", "again"):
            self._compile(modality, head, samples, tmp_path / name)
            digests.append(modality.load_servable(tmp_path / name).digest)
        assert digests[0] == digests[1]

    def test_a_damaged_artifact_is_not_opened(self, modality: Modality, samples: list[bytes], tmp_path: Path) -> None:
        self._compile(modality, self._head(modality, samples), samples, tmp_path)
        for path in sorted(tmp_path.iterdir()):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(IntegrityError):
                modality.load_servable(tmp_path)
            path.write_bytes(whole)
        modality.load_servable(tmp_path)

    def test_an_unknown_engine_is_told_with_the_known_ones(
        self, modality: Modality, samples: list[bytes], tmp_path: Path
    ) -> None:
        self._compile(modality, self._head(modality, samples), samples, tmp_path)
        with pytest.raises(NotFound) as caught:
            modality.load_servable(tmp_path, engine="steam")
        assert "default" in caught.value.hint

    def _head(self, modality: Modality, samples: list[bytes]) -> Any:
        embeddings = modality.embedder().embed(samples)
        head = modality.build_head(embeddings.shape[1], len(self.LABELS), seed=1, options={})
        head.get_layer("normalization").adapt(embeddings)
        return head

    def _compile(self, modality: Modality, head: Any, samples: list[bytes], folder: Path) -> ParityReport:
        return modality.compile_servable(
            head=head,
            temperature=2.0,
            labels=self.LABELS,
            examples=samples,
            folder=folder,
            facts={"dataset": "main@v1"},
        )
