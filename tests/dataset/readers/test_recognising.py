"""A source says by itself what it is; where it does not, the user is asked and never guessed for."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from dataset.readers.folds import with_parts
from ecosight.errors import InvalidInput, NotFound, Refused
from ecosight.plugins import plugin_names

COCO: dict[str, list[str]] = {"images": [], "annotations": [], "categories": []}


def test_all_readers_are_plug_ins() -> None:
    assert set(plugin_names("ecosight.readers")) >= {
        *("audioset", "class-folders", "coco", "csv", "cvat", "esc-50"),
        *("label-studio", "raven", "urbansound8k", "voc", "yolo"),
    }


def test_a_source_that_could_be_two_things_is_asked_about(layout: Any) -> None:
    layout.picture("images/a.png")
    layout.write("labels/a.txt", "0 0.5 0.5 0.5 0.5")
    layout.write("data.yaml", "names: [fox]")
    layout.write("annotations.json", COCO)
    with pytest.raises(InvalidInput, match="looks like coco and yolo") as caught:
        layout.read()
    assert caught.value.hint == "Say which: --format coco or --format yolo."
    assert layout.read(format="yolo").found[0].label == "fox"
    with pytest.raises(NotFound, match="no plug-in 'yolov8'") as unknown:
        layout.read(format="yolov8")
    assert "yolo" in unknown.value.hint


def test_folders_of_another_layout_are_not_taken_for_classes(layout: Any) -> None:
    layout.picture("train/1.png")
    layout.picture("val/2.png")
    with pytest.raises(InvalidInput, match="train, val are hardly classes"):
        layout.read()
    assert [each.label for each in layout.read(format="class-folders").found] == ["train", "val"]


@pytest.mark.parametrize("parts", [("training", "testing"), ("dev", "eval"), ("Training", "Validation")])
def test_parts_by_any_of_their_usual_names_are_not_taken_for_classes(layout: Any, parts: tuple[str, str]) -> None:
    for part in parts:
        layout.sound(f"{part}/fox/{part}.wav")
    with pytest.raises(InvalidInput, match="are hardly classes"):
        layout.read()


def test_a_table_of_labels_beside_folders_is_asked_about(layout: Any) -> None:
    layout.sound("site-4/1.wav")
    table = layout.write("labels.csv", "path,label\nsite-4/1.wav,fox\n")
    with pytest.raises(InvalidInput, match="may be classes, and a CSV that names labels") as caught:
        layout.read()
    assert caught.value.hint == f"Say which: --format class-folders, or the file itself: {table}."
    assert [each.label for each in layout.read(format="class-folders").found] == ["site-4"]
    assert [each.label for each in layout.read("labels.csv").found] == ["fox"]
    table.write_text("station,latitude\nsite-4,51.2\n")
    assert [each.label for each in layout.read().found] == ["site-4"]


def test_a_folder_whose_labels_are_in_a_table_is_told_to_name_the_table(layout: Any) -> None:
    layout.sound("1.wav")
    table = layout.write("labels.csv", "\ufeffpath, label\n1.wav,fox\n")
    with pytest.raises(InvalidInput, match="holds no recordings in class folders") as caught:
        layout.read()
    assert str(caught.value.hint).endswith(f"To read a CSV, name the file: {table}.")
    with pytest.raises(InvalidInput, match="is a folder, and csv is one file") as named:
        layout.read(format="csv")
    assert named.value.hint == f"Name the file: {table}."
    table.unlink()
    with pytest.raises(InvalidInput, match="is a folder, and csv is one file"):
        layout.read(format="csv")


def test_an_archive_is_not_read_as_a_table(layout: Any) -> None:
    layout.write("all.zip", "PK")
    with pytest.raises(InvalidInput, match="no layout that is known"):
        layout.read("all.zip")


def test_folds_become_parts_as_the_publisher_says(esc50: Any) -> None:
    found = esc50.read().found
    placed = with_parts(found, test=["1"], val=["2"])
    assert {(each.fold, each.part) for each in placed} == {("1", "test"), ("2", "val"), ("3", "train")}
    assert with_parts(found, test=[], val=[]) == found


@pytest.mark.parametrize(
    ("test", "val", "told"),
    [
        (["1"], [], "both --test-fold and --val-fold"),
        (["1"], ["1"], "cannot be test and val"),
        (["1"], ["9"], "there is no fold '9'"),
        (["1", "3"], ["2"], "no fold is left for train"),
    ],
)
def test_folds_that_make_no_split_are_told(esc50: Any, test: list[str], val: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        with_parts(esc50.read().found, test=test, val=val)


def test_a_recording_in_folds_of_two_parts_is_refused(layout: Any) -> None:
    for name in "abcd":
        layout.sound(f"{name}.wav")
    rows = ["a.wav,fox,night,1", "b.wav,fox,night,3", "c.wav,fox,day,2", "d.wav,fox,dusk,3"]
    layout.write("t.csv", "\n".join(["path,label,group,fold", *rows]))
    found = layout.read("t.csv").found
    with pytest.raises(Refused, match=r"1 groups are in folds of different parts: night in fold 1 \(test\) and fold 3"):
        with_parts(found, test=["1"], val=["2"])


def _coco(*names: str) -> dict[str, Any]:
    """A box of a class of its own in each picture."""
    return {
        "images": [{"id": at, "file_name": name} for at, name in enumerate(names)],
        "annotations": [{"image_id": at, "category_id": at, "bbox": [1, 1, 5, 5]} for at in range(len(names))],
        "categories": [{"id": at, "name": f"class {at}"} for at in range(len(names))],
    }


def test_a_missing_picture_is_not_replaced_by_one_of_the_same_name_in_another_folder(layout: Any) -> None:
    layout.picture("cam2/1.jpg")
    layout.write("all.json", _coco("cam1/1.jpg", "cam2/1.jpg"))
    seen = layout.read()
    assert [(each.path.parent.name, each.label) for each in seen.found] == [("cam2", "class 1")]
    assert [each.reason for each in seen.skipped] == [
        "annotations[0]: there is no file 'cam1/1.jpg'; the one of that name belongs to other annotations"
    ]


def test_a_selection_table_does_not_take_the_recording_of_another_folder(layout: Any) -> None:
    layout.sound("night2/1.wav")
    for night in ("night1", "night2"):
        layout.write(f"{night}/t.txt", f"Begin File\tBegin Time (s)\tEnd Time (s)\tlabel\n1.wav\t0\t1\t{night}\n")
    seen = layout.read()
    assert [each.label for each in seen.found] == ["night2"]
    assert "there is no file '1.wav'" in seen.skipped[0].reason


def test_pictures_that_were_moved_into_one_folder_are_still_found(layout: Any) -> None:
    layout.picture("flat/1.jpg")
    layout.picture("flat/2.jpg", seed=2)
    layout.write("all.json", _coco("cam1/1.jpg", "cam2/2.jpg"))
    assert [each.path.name for each in layout.read().found] == ["1.jpg", "2.jpg"]


def test_two_pictures_of_which_the_copying_kept_one_are_both_left_out(layout: Any) -> None:
    layout.picture("flat/1.jpg")
    layout.picture("flat/2.jpg", seed=2)
    layout.write("all.json", _coco("cam1/1.jpg", "cam2/1.jpg", "cam2/2.jpg"))
    seen = layout.read()
    assert ([each.path.name for each in seen.found], len(seen.skipped)) == (["2.jpg"], 2)


def test_of_files_of_one_name_the_folders_of_a_path_on_another_machine_tell(layout: Any) -> None:
    layout.picture("cam1/1.jpg")
    layout.picture("cam2/1.jpg", seed=2)
    layout.write("all.json", _coco("C:\\data\\cam1\\1.jpg", "/mnt/data/cam2/1.jpg", "D:\\cam3\\1.jpg"))
    seen = layout.read()
    assert [(each.path.parent.name, each.label) for each in seen.found] == [("cam1", "class 0"), ("cam2", "class 1")]
    assert [each.reason for each in seen.skipped] == ["annotations[2]: 2 files are called '1.jpg'"]


def test_one_file_is_not_taken_for_two_of_another_machine(layout: Any) -> None:
    """Of two cameras' pictures of one name only one is here, and nothing says whose it is."""
    layout.picture("1.jpg")
    layout.picture("2.jpg", seed=2)
    layout.write("all.json", _coco("C:\\data\\cam1\\1.jpg", "C:\\data\\cam2\\1.jpg", "C:\\data\\cam2\\2.jpg"))
    seen = layout.read()
    assert ([each.path.name for each in seen.found], len(seen.skipped)) == (["2.jpg"], 2)


def test_the_folder_says_whose_the_only_file_of_a_name_is(layout: Any) -> None:
    layout.picture("cam2/1.jpg")
    layout.write("all.json", _coco("C:\\data\\cam1\\1.jpg", "C:\\data\\cam2\\1.jpg"))
    seen = layout.read()
    assert [(each.path.parent.name, each.label) for each in seen.found] == [("cam2", "class 1")]
    assert "belongs to other annotations" in seen.skipped[0].reason


def test_two_analysts_name_one_file_each_by_the_path_on_their_own_machine(layout: Any) -> None:
    layout.picture("1.jpg")
    layout.write("all.json", _coco("C:\\ann\\rec\\1.jpg", "D:\\rec\\1.jpg"))
    seen = layout.read()
    assert ([each.path.name for each in seen.found], seen.skipped) == (["1.jpg", "1.jpg"], ())


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_with_accents_is_found_whichever_way_they_are_written(layout: Any, forms: tuple[str, str]) -> None:
    there, told = (unicodedata.normalize(form, "Eichelhäher.wav") for form in forms)
    layout.sound(there)
    layout.write("t.txt", f"Begin File\tBegin Time (s)\tEnd Time (s)\tlabel\n{told}\t0\t1\tjay\n")
    assert [each.path.name for each in layout.read().found] == [there]


def test_a_source_with_a_name_too_long_to_be_one_is_not_there(layout: Any) -> None:
    with pytest.raises(NotFound, match="there is no folder or CSV file"):
        layout.read("x" * 5000)


@pytest.mark.parametrize("mark", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("a.selections.txt", "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\r\n1\t0\t0.5\tHäher\r\n", "raven"),
        (
            "meta/esc50.csv",
            "filename,fold,target,category,esc10,src_file,take\r\na.wav,1,0,Häher,True,2,A\r\n",
            "esc-50",
        ),
        (
            "export.json",
            '[{"data": {"audio": "a.wav"}, "annotations": [{"result": [{"from_name": "c", "type": "choices", '
            '"value": {"choices": ["Häher"]}}]}]}]',
            "label-studio",
        ),
        ("a.csv", "path,label\r\nnight/a.wav,Häher\r\n", "csv"),
    ],
)
def test_a_mark_at_the_beginning_of_a_file_tells_its_encoding(
    layout: Any, name: str, text: str, format: str, mark: str
) -> None:
    """Not recognised, the folder of the recording would be taken for its class."""
    layout.sound("night/a.wav")
    path = layout.write(name)
    path.write_bytes(f"\ufeff{text}".encode(mark))
    seen = layout.read("a.csv" if format == "csv" else "")
    assert (seen.format, [each.label for each in seen.found]) == (format, ["Häher"])


def test_a_mark_costs_no_picture_its_fold(layout: Any) -> None:
    layout.picture("JPEGImages/a.jpg")
    layout.write(
        "Annotations/a.xml",
        "<annotation><filename>a.jpg</filename><object><name>fox</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>",
    )
    layout.write("ImageSets/Main/val.txt", "\ufeffa\n")
    assert [each.fold for each in layout.read().found] == ["val"]
