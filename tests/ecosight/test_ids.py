"""Identifiers: digests of content, and ids that sort by time."""

from __future__ import annotations

import re
import time

from ecosight.ids import age_s, content_digest, new_id


def test_a_digest_is_the_sha256_of_the_bytes() -> None:
    # FIPS 180-2, appendix B.1
    assert content_digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_id_has_its_prefix_and_128_bits() -> None:
    assert re.fullmatch(r"job_[0-9a-hjkmnp-tv-z]{26}", new_id("job"))


def test_ids_never_repeat() -> None:
    assert len({new_id("x") for _ in range(10_000)}) == 10_000


def test_an_id_tells_how_old_it_is() -> None:
    assert -0.01 <= (age_s(new_id("pred")) or 0.0) < 5
    assert (age_s("pred_" + 26 * "0") or 0) > 1e9
    assert [age_s(text) for text in ("", "one", "pred_", "pred_" + 26 * "u", "pred_" + 27 * "0")] == [None] * 5


def test_ids_sort_by_the_time_of_their_making() -> None:
    made = []
    for _ in range(5):
        made.append(new_id("x"))
        time.sleep(0.002)
    assert made == sorted(made)
