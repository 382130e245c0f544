"""Picture layouts: boxes in pixels or shares, each with its class, and the fold where the layout tells one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dataset.reading import survey
from ecosight.errors import InvalidInput


def coco(*annotations: dict[str, Any], size: tuple[int, int] = (40, 30)) -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": size[0], "height": size[1]} for n in (1, 2)],
        "categories": [{"id": 7, "name": "fox"}, {"id": 9, "name": "owl"}],
        "annotations": [{"id": n, **each} for n, each in enumerate(annotations)],
    }


def test_coco_gives_a_sample_a_box_and_the_fold_of_its_file(layout: Any) -> None:
    layout.picture("images/1.png")
    layout.picture("images/2.png", seed=2)
    box = {"image_id": 1, "category_id": 7, "bbox": [5, 6, 10, 12]}
    layout.write("annotations/instances_train.json", coco(box, box | {"bbox": [30, 0, 20, 5]}))
    layout.write(
        "annotations/instances_val.json", coco(box | {"image_id": 2, "category_id": 9}, box | {"category_id": 8})
    )
    seen = layout.read()
    assert seen.format == "coco"
    assert [(e.path.name, e.label, e.fold, e.box.name, e.box.size) for e in seen.found] == [
        ("1.png", "fox", "train", "5,6,15,18", (40, 30)),
        ("2.png", "owl", "val", "5,6,15,18", (40, 30)),
    ]
    assert [each.reason for each in seen.skipped] == [
        "annotations[1]: the box 30, 0, 50, 5 reaches out of the picture of 40 x 30 pixels",
        "'2.png' has no boxes",
        "annotations[1]: there is no category 8",
    ]


@pytest.mark.parametrize("write", [float, str, lambda number: f"{number}.0"])
def test_ids_of_coco_are_the_same_as_floats_and_as_text(layout: Any, write: Any) -> None:
    layout.picture("images/1.png")
    layout.picture("images/2.png", seed=2)
    box = {"image_id": write(1), "category_id": write(7), "bbox": [5, 6, 10, 12]}
    layout.write("annotations/instances_train.json", coco(box))
    assert [(each.path.name, each.label) for each in layout.read().found] == [("1.png", "fox")]


def test_whole_pictures_are_those_of_one_class(layout: Any) -> None:
    layout.picture("1.png")
    layout.picture("2.png", seed=2)
    fox = {"image_id": 1, "category_id": 7, "bbox": [5, 6, 10, 12]}
    layout.write("all.json", coco(fox, fox, fox | {"image_id": 2}, fox | {"image_id": 2, "category_id": 9}))
    seen = layout.read(boxes="whole")
    assert [(each.path.name, each.label, each.box) for each in seen.found] == [("1.png", "fox", None)]
    assert [each.reason for each in seen.skipped] == ["has boxes of 2 classes (fox, owl)"]


def test_yolo_reads_shares_and_names_from_data_yaml(layout: Any) -> None:
    layout.picture("images/train/a.png")
    layout.picture("images/val/b.png", seed=2)
    layout.picture("images/val/empty.png", seed=3)
    layout.write("data.yaml", "path: ../x\ntrain: images/train\nval: images/val\nnames:\n  0: fox\n  1: owl\n")
    layout.write("labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n1 0.9 0.5 0.5 0.5\n\n7 0.5 0.5 0.1 0.1\n0 0.5 0.5\n")
    layout.write("labels/val/b.txt", "1 0.25 0.25 0.5 0.5\n")
    seen = layout.read()
    assert seen.format == "yolo"
    assert [(e.path.name, e.label, e.fold, e.box.name) for e in seen.found] == [
        ("a.png", "fox", "train", "0.2500,0.2500,0.7500,0.7500"),
        ("b.png", "owl", "val", "0.0000,0.0000,0.5000,0.5000"),
    ]
    assert [each.reason for each in seen.skipped] == [
        "line 2: the box 0.65, 0.25, 1.15, 0.75 reaches out of the picture",
        "line 4: data.yaml names no class 7",
        "line 5: 3 values are not class, x, y, width, height",
        "has no boxes",
    ]


def voc(name: str, *boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>\n"
        for label, a, b, c, d in boxes
    )
    size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
    return f"<annotation>\n<filename>{name}</filename>\n{size}\n{objects}</annotation>\n"


def test_voc_counts_pixels_from_one_and_takes_folds_from_its_lists(layout: Any) -> None:
    layout.picture("JPEGImages/a.png")
    layout.write("Annotations/a.xml", voc("a.png", ("fox", 1, 1, 40, 30), ("fox", 5, 5, 60, 10)))
    layout.write("Annotations/cut.xml", voc("a.png", ("fox", 1, 1, 40, 30))[:60])
    layout.write("ImageSets/Main/test.txt", "a\n")
    layout.write("ImageSets/Segmentation/train.txt", "a\n")
    layout.write("ImageSets/train.txt", "a\n")
    seen = layout.read()
    assert [(e.path.name, e.fold, e.box.name) for e in seen.found] == [("a.png", "test", "0,0,40,30")]
    assert [each.reason for each in seen.skipped] == [
        "line 5: the box 4, 4, 60, 10 reaches out of the picture of 40 x 30 pixels",
        "cut.xml is no whole XML file: line 3, column 16: unclosed token",
    ]


def test_every_real_raccoon_is_read() -> None:
    if "ECOSIGHT_DATA" not in os.environ:
        pytest.skip("ECOSIGHT_DATA names no folder of real pictures")
    seen = survey(Path(os.environ["ECOSIGHT_DATA"], "images/raccoon/dev"), {".jpg"})
    assert (seen.format, len(seen.found), len({each.path for each in seen.found})) == ("voc", 108, 100)
    assert not seen.skipped


def test_cvat_reads_boxes_and_tags_and_leaves_out_what_is_no_rectangle(layout: Any) -> None:
    layout.picture("images/a.png")
    layout.picture("images/b.png", seed=2)
    layout.write(
        "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        '<image id="0" name="a.png" subset="Train" width="40" height="30">\n'
        '<box label="fox" occluded="0" xtl="1.5" ytl="2" xbr="10" ybr="12"></box>\n'
        '<polygon label="fox" points="1,1;2,2;3,1"></polygon>\n'
        '<box label="fox" rotation="30" xtl="1" ytl="2" xbr="10" ybr="12"></box>\n</image>\n'
        '<image id="1" name="b.png" width="40" height="30"><tag label="empty"/></image>\n</annotations>\n',
    )
    seen = layout.read()
    assert seen.format == "cvat"
    assert [(e.path.name, e.label, e.fold, e.box and (e.box.x0, e.box.y1)) for e in seen.found] == [
        ("a.png", "fox", "train", (1.5, 12.0)),
        ("b.png", "empty", None, None),
    ]
    assert [each.reason for each in seen.skipped] == [
        "line 6: a polygon is no box",
        "line 7: a turned box cannot be cut",
    ]


def test_label_studio_s_rectangles_in_a_turned_picture_are_left_out(layout: Any) -> None:
    layout.picture("a.png")
    value = {"x": 25, "y": 50, "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["fox"]}
    result = {"type": "rectanglelabels", "image_rotation": 90, "value": value}
    layout.write("export.json", [{"id": 7, "data": {"image": "a.png"}, "annotations": [{"result": [result]}]}])
    with pytest.raises(InvalidInput, match="turned while it was labelled cannot be cut"):
        layout.read()


def test_label_studio_counts_rectangles_in_percent(layout: Any) -> None:
    layout.picture("a.png")
    value = {"x": 25, "y": 50, "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["fox"]}
    result = {"type": "rectanglelabels", "original_width": 40, "original_height": 30, "value": value}
    people = [{"completed_by": who, "result": [result]} for who in (1, 2)]
    layout.write("export.json", [{"id": 5, "data": {"image": "a.png"}, "annotations": people}])
    (found,) = layout.read().found
    assert (found.label, found.annotators) == ("fox", 2)
    assert (found.box.unit, found.box.name) == ("share", "0.2500,0.5000,0.7500,0.9000")


def test_a_choice_for_a_region_says_nothing_of_the_whole_picture(layout: Any) -> None:
    layout.picture("a.png")
    drawn = {"x": 25, "y": 50, "width": 50, "height": 40, "rotation": 0}
    outline = {"points": [[1, 1], [9, 1], [9, 9]]}
    results = [
        {"type": "rectangle", "value": drawn},
        {"type": "choices", "value": {**drawn, "choices": ["fox"]}},
        {"type": "choices", "value": {**outline, "choices": ["owl"]}},
    ]
    layout.write("export.json", [{"id": 5, "data": {"image": "a.png"}, "annotations": [{"result": results}]}])
    seen = layout.read()
    assert [(each.label, each.box and each.box.name) for each in seen.found] == [("fox", "0.2500,0.5000,0.7500,0.9000")]
    assert [each.reason for each in seen.skipped] == [
        "task 5, result [2]: a choice for a region that is neither a span nor a rectangle cannot be cut"
    ]


def test_voc_without_a_filename_belongs_to_the_picture_of_its_own_name(layout: Any) -> None:
    layout.picture("frame.1.jpg")
    layout.picture("frame.jpg", seed=2)
    for number in (1, 2):
        layout.write(f"frame.{number}.xml", voc("", ("fox", 1, 1, 20, 20)).replace("<filename></filename>", ""))
    seen = layout.read()
    assert [each.path.name for each in seen.found] == ["frame.1.jpg"]
    assert "tells the picture ('frame.2')" in seen.skipped[0].reason


def test_yolo_takes_no_fold_from_folders_above_the_source(layout: Any) -> None:
    above = layout.root / "test data"
    above.mkdir()
    inner = type(layout)(above / "mine")
    inner.picture("images/a.jpg")
    inner.write("labels/a.txt", "\ufeff0 0.5 0.5 0.2 0.2\r\n")
    inner.write("data.yaml", "names: [fox]")
    assert [(each.path.name, each.fold) for each in inner.read().found] == [("a.jpg", None)]


def test_yolo_guesses_at_neither_of_two_pictures_that_could_both_be_meant(layout: Any) -> None:
    layout.picture("images/a.jpg")
    layout.picture("images/a.png", seed=2)
    layout.picture("images/b.png", seed=3)
    for name in "ab":
        layout.write(f"labels/{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    layout.write("data.yaml", "names: [fox]")
    seen = layout.read()
    assert [each.path.name for each in seen.found] == ["b.png"]
    assert [each.reason for each in seen.skipped] == ["it could be for a.jpg and a.png"]


@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_a_turned_box_is_left_out_of_every_export_of_cvat(layout: Any, turn: float) -> None:
    """COCO and VOC hold its corners before the turn: the crop would show something else."""
    layout.picture("images/a.jpg")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    more = f"<attributes><attribute><name>rotation</name><value>{turn}</value></attribute></attributes>"
    layout.write(
        "voc/a.xml", f"<annotation><filename>a.jpg</filename><object><name>fox</name>{box}{more}</object></annotation>"
    )
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "attributes": {"rotation": turn}}
    layout.write(
        "annotations/instances_default.json",
        {
            "images": [{"id": 1, "file_name": "a.jpg"}],
            "annotations": [annotation],
            "categories": [{"id": 1, "name": "fox"}],
        },
    )
    for format in ("voc", "coco"):
        if turn:
            with pytest.raises(InvalidInput, match="a turned box cannot be cut"):
                layout.read(format=format)
        else:
            assert [each.label for each in layout.read(format=format).found] == ["fox"]


def test_coco_finds_the_pictures_of_each_subset_in_a_folder_of_its_own(layout: Any) -> None:
    """As CVAT exports them: file_name is the same in both."""
    for fold in ("train", "val"):
        layout.picture(f"images/{fold}/1.png")
        layout.picture(f"images/{fold}/2.png")
        content = coco({"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9]})
        layout.write(f"annotations/instances_{fold}.json", content)
    found = layout.read().found
    assert [(each.path.relative_to(layout.root).as_posix(), each.fold) for each in found] == [
        ("images/train/1.png", "train"),
        ("images/val/1.png", "val"),
    ]


def test_a_large_coco_file_with_sorted_keys_is_recognised(layout: Any) -> None:
    """Else the folders of the pictures would be taken for their classes."""
    layout.picture("site/1.png")
    content = coco({"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9]})
    content["annotations"] *= 1000
    content["images"] += [{"id": 10 + n, "file_name": f"{n}.png", "width": 9, "height": 9} for n in range(2000)]
    layout.write("all.json", json.dumps(content, sort_keys=True))
    seen = layout.read()
    assert (seen.format, {each.label for each in seen.found}) == ("coco", {"fox"})


@pytest.mark.parametrize("name", ["", "data.yaml"])
def test_yolo_finds_labels_however_deep_they_lie(layout: Any, name: str) -> None:
    """Else their pictures would be said to have no boxes."""
    for folder in ("train", "train/north/2026/may/1"):
        layout.picture(f"images/{folder}/a.png", seed=len(folder))
        layout.write(f"labels/{folder}/a.txt", "0 0.5 0.5 0.5 0.5\n")
    layout.write("data.yaml", "names: [fox]\n")
    seen = layout.read(name)
    assert (len(seen.found), seen.skipped) == (2, ())
    assert [each.fold for each in seen.found] == ["train", "train"]
