"""YOLO as darknet, CVAT, Label Studio and others lay it out: each puts names, labels and folds somewhere else."""

from __future__ import annotations

from typing import Any

import pytest

from ecosight.errors import InvalidInput

BOX = "0 .5 .5 .2 .2\n"


def seen(survey: Any) -> list[tuple[str, str, str | None]]:
    return [(each.path.name, each.label, each.fold) for each in survey.found]


def test_cvat_s_yolo_1_1_is_no_folder_of_classes(layout: Any) -> None:
    """Also where a picture is called as the lists are."""
    for part, list_name in (("train", "train"), ("valid", "valid")):
        layout.picture(f"obj_{part}_data/{part}.jpg", seed=len(part))
        layout.write(f"obj_{part}_data/{part}.txt", "1 .5 .5 .2 .2\n")
        layout.write(f"{list_name}.txt", f"data/obj_{part}_data/{part}.jpg\n")
    layout.picture("obj_train_data/empty.jpg", seed=9)
    layout.write("obj_train_data/empty.txt")
    layout.write("obj_train_data/gone.txt", BOX)
    layout.write("obj.names", "fox\nowl\n")
    layout.write("obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    read = layout.read()
    assert read.format == "yolo"
    assert seen(read) == [("train.jpg", "owl", "train"), ("valid.jpg", "owl", "val")]
    assert [(each.path.name, each.reason) for each in read.skipped] == [
        ("empty.jpg", "has no boxes"),
        ("gone.txt", "there is no picture for it"),
    ]
    assert seen(layout.read("obj.names")) == seen(read)


def test_darknet_s_lists_tell_the_fold_where_the_folder_does_not(layout: Any) -> None:
    for at, name in enumerate("abcd"):
        layout.picture(f"obj/{name}.jpg", seed=at)
        layout.write(f"obj/{name}.txt", BOX)
    layout.write("obj.names", "fox\n")
    layout.write("train.txt", "\ufeffC:\\darknet\\data\\obj\\a.jpg\r\nobj/d.jpg\n")
    layout.write("valid.txt", "build/data/obj/b.jpg\n\nobj/d.jpg\n")
    assert seen(layout.read()) == [
        ("a.jpg", "fox", "train"),
        ("b.jpg", "fox", "val"),
        ("c.jpg", "fox", None),
        ("d.jpg", "fox", None),  # in two of them
    ]


def test_labels_may_lie_beside_their_pictures(layout: Any) -> None:
    for at, folder in enumerate(("", "north/", "images/")):
        layout.picture(f"{folder}a.jpg", seed=at)
        layout.write(f"{folder}a.txt", BOX)
    layout.picture("north/b.jpg", seed=9)
    layout.write("README.txt", "Six words that are no labels\n")
    layout.write("data.yaml", "names: [fox]\n")
    read = layout.read()
    assert [each.path.parent.name for each in read.found] == ["source", "images", "north"]
    assert [(each.path.name, each.reason) for each in read.skipped] == [("b.jpg", "has no boxes")]


def test_labels_in_their_own_folder_count_before_texts_beside_the_picture(layout: Any) -> None:
    layout.picture("images/a.jpg")
    layout.write("images/a.txt", "0 .1 .1 .2 .2\n")
    layout.write("labels/a.txt", BOX)
    layout.write("data.yaml", "names: [fox]\n")
    (found,) = layout.read().found
    assert found.box.name == "0.4000,0.4000,0.6000,0.6000"


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt"])
def test_label_studio_s_yolo_export_names_its_classes_in_a_text(layout: Any, place: str) -> None:
    layout.picture("images/a.jpg")
    layout.write("labels/a.txt", "1 .5 .5 .2 .2\n")
    layout.write(place, "fox\nowl\n")
    layout.write("notes.json", {"categories": [{"id": 0, "name": "fox"}, {"id": 1, "name": "owl"}], "info": {}})
    read = layout.read()
    assert (read.format, seen(read), read.skipped) == ("yolo", [("a.jpg", "owl", None)], ())
    assert seen(layout.read(place)) == seen(read)


def test_the_same_classes_in_every_folder_are_one_list(layout: Any) -> None:
    """As labelImg writes them."""
    for at, folder in enumerate(("train", "val")):
        layout.picture(f"{folder}/{folder}.jpg", seed=at)
        layout.write(f"{folder}/{folder}.txt", BOX)
        layout.write(f"{folder}/classes.txt", "fox\nowl\n")
    assert seen(layout.read()) == [("train.jpg", "fox", "train"), ("val.jpg", "fox", "val")]
    layout.write("val/classes.txt", "owl\nfox\n")
    with pytest.raises(InvalidInput, match=r"several descriptions: train/classes\.txt, val/classes\.txt"):
        layout.read()


def test_a_classes_txt_beside_folders_of_classes_makes_no_yolo_of_them(layout: Any) -> None:
    layout.picture("fox/a.jpg")
    layout.write("fox/a.txt", "A fox at the creek, at night\n")
    layout.write("classes.txt", "fox\n")
    read = layout.read()
    assert (read.format, [each.label for each in read.found]) == ("class-folders", ["fox"])


def test_a_list_of_classes_that_cannot_be_read_is_told(layout: Any) -> None:
    layout.picture("obj_train_data/a.jpg")
    layout.write("obj_train_data/a.txt", "2 .5 .5 .2 .2\n")
    names = layout.write("obj.names", "\n\n")
    with pytest.raises(InvalidInput, match=r"obj\.names names no classes"):
        layout.read()
    names.write_bytes("möwe\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"obj\.names is no UTF-8 text"):
        layout.read()
    names.write_text("fox\n\nmöwe\n", "utf-8")  # the lines count
    assert seen(layout.read()) == [("a.jpg", "möwe", "train")]
    names.write_text("fox\n")
    with pytest.raises(InvalidInput, match=r"line 1: obj\.names names no class 2"):
        layout.read()
    names.unlink()
    with pytest.raises(InvalidInput, match=r"has no data\.yaml, obj\.names or classes\.txt"):
        layout.read(format="yolo")
