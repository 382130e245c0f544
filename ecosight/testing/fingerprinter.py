"""What every ``Fingerprinter`` must do."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

from ecosight.errors import InputError
from ecosight.ports import Fingerprint, Fingerprinter

__all__ = ["FingerprinterConformance"]


class FingerprinterConformance:
    """Fixtures ``fingerprinter``: a Fingerprinter; ``samples``: at least two different raw files that it reads, none a
    copy of another; ``copies``: for each of them a file with a copy that differs in its bytes and contents."""

    def test_it_says_what_it_is(self, fingerprinter: Fingerprinter) -> None:
        assert fingerprinter.name
        assert fingerprinter.digest == fingerprinter.digest
        assert 0 < fingerprinter.threshold <= 1

    def test_words_are_distinct_and_each_has_its_place(
        self, fingerprinter: Fingerprinter, samples: list[bytes]
    ) -> None:
        for each in map(fingerprinter.fingerprint, samples):
            assert each.words.dtype == np.uint32
            assert each.places.dtype == np.int32
            assert each.words.shape == each.places.shape == (len(set(each.words.tolist())),)
            assert len(each.words)
            assert len(each.contents) == 64
            assert isinstance(each.trace, bytes)

    def test_the_same_bytes_give_the_same_fingerprint(self, fingerprinter: Fingerprinter, samples: list[bytes]) -> None:
        for data in samples:
            one, other = fingerprinter.fingerprint(data), fingerprinter.fingerprint(data)
            assert _plain(one) == _plain(other)
            assert fingerprinter.compare(one.trace, other.trace, 0) >= fingerprinter.threshold

    def test_a_copy_shares_words_at_one_shift_and_is_alike_there(
        self, fingerprinter: Fingerprinter, samples: list[bytes], copies: list[bytes]
    ) -> None:
        for data, copied in zip(samples, copies, strict=True):
            one, other = fingerprinter.fingerprint(data), fingerprinter.fingerprint(copied)
            assert one.contents != other.contents
            shift, votes = shift_between(one, other)
            assert votes >= 3
            assert fingerprinter.compare(one.trace, other.trace, shift) >= fingerprinter.threshold

    def test_other_samples_are_not_alike(self, fingerprinter: Fingerprinter, samples: list[bytes]) -> None:
        prints = [fingerprinter.fingerprint(data) for data in samples]
        assert len({each.contents for each in prints}) == len(samples)
        for one, other in combinations(prints, 2):
            shift, _ = shift_between(one, other)
            assert fingerprinter.compare(one.trace, other.trace, shift) < fingerprinter.threshold

    def test_who_comes_first_does_not_matter(
        self, fingerprinter: Fingerprinter, samples: list[bytes], copies: list[bytes]
    ) -> None:
        one, other = fingerprinter.fingerprint(samples[0]), fingerprinter.fingerprint(copies[0])
        shift, _ = shift_between(one, other)
        there = fingerprinter.compare(one.trace, other.trace, shift)
        back = fingerprinter.compare(other.trace, one.trace, -shift)
        assert there == pytest.approx(back, abs=2e-3)
        assert 0 <= there <= 1

    def test_threads_may_share_it(self, fingerprinter: Fingerprinter, samples: list[bytes]) -> None:
        expected = [_plain(fingerprinter.fingerprint(data)) for data in samples]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(fingerprinter.fingerprint, samples * 3))
        assert [_plain(each) for each in found] == expected * 3

    def test_garbage_is_the_callers_fault(self, fingerprinter: Fingerprinter, samples: list[bytes]) -> None:
        for data in (b"", b"neither sound nor picture", samples[0][:40]):
            with pytest.raises(InputError):
                fingerprinter.fingerprint(data)


def shift_between(one: Fingerprint, other: Fingerprint) -> tuple[int, int]:
    """The shift that most of the shared words have, give or take two places, and how many have it."""
    _, first, second = np.intersect1d(one.words, other.words, return_indices=True)
    shifts = one.places[first].astype(np.int64) - other.places[second]
    if not len(shifts):
        return 0, 0
    votes = (np.abs(shifts[:, None] - shifts) <= 2).sum(axis=0)
    return int(shifts[votes.argmax()]), int(votes.max())


def _plain(found: Fingerprint) -> dict[str, object]:
    values = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
