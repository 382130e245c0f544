"""Annotations that name no file belong to the nearest one of their name; so do lists of folds."""

from __future__ import annotations

from typing import Any

import pytest

from ecosight.errors import InvalidInput

RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0.1\t0.5\t"


def seen(layout: Any) -> list[tuple[str, str]]:
    return [(each.path.relative_to(layout.root).as_posix(), each.label) for each in layout.read().found]


@pytest.mark.parametrize(
    ("table", "sound"),
    [("", ""), ("selections/", ""), ("selections/", "audio/"), ("", "audio/"), ("tables/raven/", "")],
)
def test_a_table_belongs_to_the_recording_of_its_own_station(layout: Any, table: str, sound: str) -> None:
    for at, station in enumerate(("north", "south")):
        layout.sound(f"{station}/{sound}r.wav", seed=at)
        layout.write(f"{station}/{table}r.Table.1.selections.txt", f"{RAVEN}{station} owl\n")
    assert seen(layout) == [
        (f"north/{sound}r.wav", "north owl"),
        (f"south/{sound}r.wav", "south owl"),
    ]


def test_a_table_beside_its_recording_is_not_asked_about_others_further_down(layout: Any) -> None:
    layout.sound("r.wav")
    layout.sound("old/r.wav", seed=1)
    layout.write("r.selections.txt", f"{RAVEN}owl\n")
    assert seen(layout) == [("r.wav", "owl")]


def test_tables_in_a_folder_of_their_own_belong_to_the_only_recording_of_their_name(layout: Any) -> None:
    layout.sound("audio/r.wav")
    layout.picture("tables/r2.png")  # of another kind: a spectrogram
    layout.write("audio/r.Table.1.selections.txt", f"{RAVEN}owl\n")
    layout.write("tables/r.BirdNET.selection.table.txt", f"{RAVEN}fox\n")
    assert seen(layout) == [("audio/r.wav", "owl"), ("audio/r.wav", "fox")]


def test_a_missing_recording_is_not_replaced_by_that_of_another_station(layout: Any) -> None:
    layout.sound("north/r.wav")
    layout.sound("south/q.wav", seed=1)
    for station in ("north", "south"):
        layout.write(f"{station}/r.selections.txt", f"{RAVEN}{station} owl\n")
    assert seen(layout) == [("north/r.wav", "north owl")]
    assert [each.reason for each in layout.read().skipped] == [
        "line 2: neither the row nor the table's name tells the sound file (no single file 'r' near it)"
    ]


def test_of_several_recordings_that_are_as_near_none_is_taken(layout: Any) -> None:
    for folder in ("one", "two"):
        layout.sound(f"{folder}/r.wav")
    layout.write("r.selections.txt", f"{RAVEN}owl\n")
    with pytest.raises(InvalidInput, match="no single file 'r' near it"):
        layout.read()


def _voc(label: str) -> str:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    return f"<annotation><object><name>{label}</name>{box}</object></annotation>"


@pytest.mark.parametrize("name", ["", "VOCdevkit", "VOCdevkit/VOC2012", "VOCdevkit/VOC2012/Annotations/x.xml"])
def test_voc_s_lists_count_for_the_annotations_beside_them(layout: Any, name: str) -> None:
    """However far up the source begins; and of two years, each has lists and pictures of its own."""
    for at, (year, label, fold) in enumerate((("VOC2007", "owl", "test"), ("VOC2012", "fox", "val"))):
        layout.picture(f"VOCdevkit/{year}/JPEGImages/x.jpg", seed=at)
        layout.picture(f"VOCdevkit/{year}/SegmentationClass/x.png")
        layout.write(f"VOCdevkit/{year}/Annotations/x.xml", _voc(label))
        layout.write(f"VOCdevkit/{year}/ImageSets/Main/{fold}.txt", "x\n")
    found = [(each.path.parent.parent.name, each.label, each.fold) for each in layout.read(name).found]
    both = [("VOC2007", "owl", "test"), ("VOC2012", "fox", "val")]
    assert found == (both[1:] if "2012" in name else both)
