"""Whatever is wrong with a file is one sentence with its place; nothing outside of the source is read."""

from __future__ import annotations

from typing import Any

import pytest

from ecosight.errors import InvalidInput

BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n'
    "<annotations><image>&b;</image></annotations>"
)


@pytest.mark.parametrize(
    ("name", "content", "format", "told"),
    [
        ("a.json", '{"images": [],\n "annotations": [', "", "a.json is no whole JSON file: line 2, column 18"),
        ("a.json", '{"images": [], "annotations": {}}', "", "no list 'annotations'"),
        ("a.json", '[{"id": 1, "annotations": [', "", "a.json is no whole JSON file: line 1"),
        ("a.json", "[" * 100_000 + '"annotations"', "label-studio", "nested too deep"),
        ("a.json", '{"images": [], "annotations": [NaN], "categories": []}', "", "NaN is no number of JSON"),
        ("a.json", '{"images": [1], "annotations": [], "categories": []}', "", r"images\[0\] is no JSON object"),
        ("a.xml", "<annotations>\n<image>\n</annotations>", "", "a.xml is no whole XML file: line 3, column 3"),
        ("a.xml", BOMB, "", "line 2: it declares a document type"),
        ("a.xml", "<annotations>" + "<a>" * 200, "", "nested too deep"),
        ("a.xml", "<annotations><track/></annotations>", "", "annotation of a video"),
        ("data.yaml", "names: [fox\nnc: 1", "", "data.yaml: line 2"),
        ("data.yaml", "a: &a [x, x]\nnames: [*a, *a]", "", "holds aliases"),
        ("data.yaml", "names: {fox: 1}", "", "names no classes"),
        ("data.yaml", "names: [fox, no]", "", "the name of class 1 is no text"),
        ("data.yaml", "names: [7, 08, 2026-05-01, 010]", "", "the name of class 3 is no text"),
        ("data.yaml", "names: {0: fox, 0x1: owl}", "", "the name of class 1 is no text"),
        ("t.csv", "path,label,label\na.wav,fox,owl", "csv", "t.csv has several columns 'label'"),
        ("esc50.csv", "filename,fold,target,category,take\n1.wav,1,0,dog,A", "esc-50", "no column src_file"),
        ("esc50.csv", '"filename"x,fold,category,src_file\n1.wav,1,dog,7', "esc-50", "esc50.csv: line 1: ',' expected"),
        ("a.txt", "Selection\tBegin Time (s)\tEnd Time (s)\n1\t0\t1", "", "which column holds the label"),
        ("notes.csv", "a,b\n1,2", "", "no column path and no column label"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(layout: Any, name: str, content: str, format: str, told: str) -> None:
    path = layout.write(name, content)
    with pytest.raises(InvalidInput, match=told) as caught:
        layout.read(path.name, format=format)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500


def test_text_in_another_encoding_says_so(layout: Any) -> None:
    path = layout.write("a.json")
    path.write_bytes('[{"annotations": [], "x": "Füchse"}]'.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"a\.json is not UTF-8 text"):
        layout.read("a.json")


@pytest.mark.parametrize("told", ["../../secret.wav", "audio/../../../secret.wav", "..\\..\\secret.wav"])
def test_no_annotation_leads_out_of_its_source(layout: Any, told: str) -> None:
    layout.sound("../secret.wav")
    layout.sound("audio/1.wav")
    rows = ["filename,fold,target,category,esc10,src_file,take", "1.wav,1,0,dog,True,7,A", f"{told},1,0,dog,True,7,A"]
    layout.write("meta/esc50.csv", "\n".join(rows))
    seen = layout.read()
    assert [each.path.name for each in seen.found] == ["1.wav"]
    assert "leads out of source" in seen.skipped[0].reason


@pytest.mark.parametrize("told", ["/etc/passwd", "C:\\recordings\\1.wav", "s3://bucket/1.wav", "/home/me/1.wav"])
def test_of_a_path_on_another_machine_only_the_name_counts(layout: Any, told: str) -> None:
    layout.sound("audio/1.wav")
    layout.write(
        "a.selections.txt", f"Begin Path\tBegin Time (s)\tEnd Time (s)\tlabel\n{told}\t0\t1\tfox\n1.wav\t0\t0.5\tfox\n"
    )
    seen = layout.read()
    if told == "/etc/passwd":
        assert [each.reason for each in seen.skipped] == ["line 2: there is no file '/etc/passwd'"]
    else:
        assert [each.path.name for each in seen.found] == ["1.wav", "1.wav"]


def test_when_every_row_is_bad_the_source_is_refused_with_the_reasons(layout: Any) -> None:
    layout.write("meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take\n1.wav,1,0,dog,True,7,A\n")
    with pytest.raises(InvalidInput, match=r"read as esc-50, gives no samples: esc50.csv: line 2: there is no file"):
        layout.read()


def _coco(side: str, name: str = "a.png") -> str:
    """Two boxes, of which the first has this side, in the picture of this name; the second is in a.png."""
    return (
        f'{{"images": [{{"id": 1, "file_name": "{name}"}}, {{"id": 2, "file_name": "a.png"}}], "annotations": ['
        f'{{"image_id": 1, "category_id": 1, "bbox": [{side}, 2, 5, 6]}}, '
        '{"image_id": 2, "category_id": 1, "bbox": [1, 2, 5, 6]}], "categories": [{"id": 1, "name": "fox"}]}'
    )


def _cvat(rotation: str) -> str:
    box = '<box label="fox" xtl="1" ytl="1" xbr="9" ybr="9"'
    return (
        '<annotations><image name="a.png" width="40" height="30">\n'
        f'{box} rotation="{rotation}"/>\n{box}/></image></annotations>'
    )


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", _coco("1" + "0" * 400), "annotations[0]: a side of bbox is too large a number"),
        ("a.xml", _cvat("12,5"), "line 2: the rotation is no number"),
    ],
)
def test_a_number_that_is_none_costs_its_own_row_only(layout: Any, name: str, content: str, told: str) -> None:
    layout.picture("a.png")
    layout.write(name, content)
    seen = layout.read()
    assert [each.path.name for each in seen.found] == ["a.png"]
    assert told in [each.reason for each in seen.skipped]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("captured_at", "0001-01-01T00:00:00+14:00", "outside of the years 1 to 9999"),
        ("annotators", "9" * 5000, "no number of annotators"),
    ],
)
def test_a_csv_with_a_value_beyond_all_bounds_is_refused_with_its_line(
    layout: Any, column: str, value: str, told: str
) -> None:
    layout.sound("a.wav")
    layout.write("t.csv", f"path,label,{column}\na.wav,fox,{value}\n")
    with pytest.raises(InvalidInput, match=rf"line 2: .*{told}"):
        layout.read("t.csv")


def test_a_name_too_long_for_the_file_system_is_a_file_that_is_not_there(layout: Any) -> None:
    layout.picture("a.png")
    layout.write("a.json", _coco("1", "x" * 300 + ".png"))
    assert "annotations[0]: there is no file 'xxx" in layout.read().skipped[0].reason
    layout.write("t.csv", f"path,label\n{'x' * 300}.wav,fox\nnul\0.wav,fox\n")
    with pytest.raises(InvalidInput, match=r"line 2: there is no file 'xxx.*line 3: there is no file 'nul"):
        layout.read("t.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "eval_segments.csv",
            "# YTID, start_seconds, end_seconds, positive_labels\na, 0, 1, Speech\na, 0, 1, Speech,Dog\n",
        ),
        (
            "esc50.csv",
            "filename,fold,target,category,esc10,src_file,take\na.wav,1,0,Dog,True,7,A\na.wav,1,0,Dog, pet,True,7,A\n",
        ),
        (
            "a.txt",
            "Begin Time (s)\tEnd Time (s)\tNotes\tSpecies\n0\t1\t\tfox\n0\t1\tfar\taway\tfox\n",
        ),
    ],
)
def test_a_row_with_more_fields_than_columns_is_skipped(layout: Any, name: str, content: str) -> None:
    """Its label, its group or one of its labels would be another field's."""
    layout.sound("a.wav", 2)
    last = len(content.splitlines())
    layout.write(name, content)
    seen = layout.read()
    assert len(seen.found) == 1
    assert [each.reason for each in seen.skipped] == [
        f"line {last}: more fields than columns (a comma without quotes?)"
    ]


def test_a_table_with_two_columns_for_the_label_is_refused(layout: Any) -> None:
    layout.sound("a.wav")
    layout.write("a.txt", "Begin Time (s)\tEnd Time (s)\tSpecies\tSpecies\n0\t1\tfox\towl\n")
    with pytest.raises(InvalidInput, match="several columns 'Species'"):
        layout.read()
