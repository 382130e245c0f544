from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from dataset.intake import Intake
from ecosight.clock import SystemClock
from ecosight.errors import Conflict, InvalidInput, MediaTooLarge, UnreadableMedia, UnsupportedMedia
from ecosight.ids import content_digest


def accept(project: Any, data: bytes = b"note: a fox", label: str = "fox", **more: Any) -> Any:
    return project.intake.accept(data, **{"label": label, "source": "1.note", "origin": "upload", **more})


def test_a_good_sample_is_stored_and_entered(project: Any) -> None:
    when = datetime(2026, 5, 1, tzinfo=UTC)
    receipt = accept(project, source="C:\\up\\1.note", captured_at=when)
    assert receipt.status == "accepted"
    sample = project.samples.get(content_digest(b"note: a fox"))
    assert sample == receipt.sample
    assert (sample.label, sample.source, sample.group, sample.medium) == ("fox", "1.note", sample.id, "note")
    assert (sample.captured_at, sample.size_bytes, sample.details) == (when, 11, {"words": 2})
    assert project.blobs.get(sample.id) == b"note: a fox"


def test_the_same_bytes_again_are_a_duplicate_whatever_they_are_called(project: Any) -> None:
    first = accept(project).sample
    again = accept(project, source="other.note", group="elsewhere")
    assert (again.status, again.sample) == ("duplicate", first)
    assert project.modality.decoded == 1
    assert project.samples.count() == 1


def test_the_same_bytes_with_another_label_conflict_and_the_first_is_kept(project: Any) -> None:
    accept(project)
    with pytest.raises(Conflict, match="known as 'fox' already, they cannot also be 'owl'"):
        accept(project, label="owl")
    assert project.samples.counts_by_label() == {"fox": 1}


@pytest.mark.parametrize(
    ("data", "label", "error"),
    [
        (b"note: a", "../etc", InvalidInput),
        (b"", "fox", UnsupportedMedia),
        (b"note: \xff", "fox", UnreadableMedia),
        (b"note: " + b"x" * 1000, "fox", MediaTooLarge),
    ],
)
def test_what_is_refused_leaves_no_trace(project: Any, data: bytes, label: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        accept(project, data, label)
    assert list(project.blobs.digests()) == []
    assert project.samples.count() == 0


def test_a_blob_that_was_lost_comes_back_with_the_same_file(project: Any) -> None:
    sample = accept(project).sample
    project.blobs.delete(sample.id)
    assert accept(project).status == "duplicate"
    assert project.blobs.has(sample.id)


def test_of_many_threads_with_the_same_bytes_one_is_told_accepted(project: Any) -> None:
    barrier = Barrier(8)

    def bring(_: int) -> str:
        barrier.wait()
        return str(accept(project).status)

    with ThreadPoolExecutor(8) as pool:
        told = sorted(pool.map(bring, range(8)))
    assert told == ["accepted"] + ["duplicate"] * 7


@pytest.mark.parametrize(
    ("pattern", "given", "group"),
    [
        (None, None, None),
        (r"^(\d-\d+)-", None, "1-7"),
        (r"^\d-\d+", None, "1-7"),
        (r"(x)?-(\d)", None, "-7"),  # a first group that took no part: all that matched
        (r"nothing", None, None),
        (r"^(\d-\d+)-", "night 3", "night 3"),
        (r"", None, None),
    ],
)
def test_the_group_is_given_or_matched_or_the_file_itself(
    open_project: Callable[..., Any], pattern: str | None, given: str | None, group: str | None
) -> None:
    sample = accept(open_project(pattern=pattern), source="1-7-A.note", group=given).sample
    assert sample.group == (group or sample.id)


def test_a_group_is_found_in_a_name_from_a_mac(open_project: Callable[..., Any]) -> None:
    intake = open_project(pattern=r"^(\w+)-").intake
    groups = {intake.group_of(unicodedata.normalize(form, "forêt-1.note")) for form in ("NFC", "NFD")}
    assert groups == {"forêt"}


def test_a_group_pattern_that_is_none_is_told(project: Any) -> None:
    with pytest.raises(InvalidInput, match=r"the group pattern '\(' is no regular expression: missing \)"):
        Intake(project.modality, project.blobs, project.samples, group_pattern="(", clock=SystemClock())
