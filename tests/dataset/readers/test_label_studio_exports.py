"""Label Studio's exports: the file of a task is found under whatever key it has; what cannot be read says so."""

from __future__ import annotations

from typing import Any

import pytest

from ecosight.errors import InvalidInput

CHOICE = {"type": "choices", "from_name": "c", "value": {"choices": ["owl"]}}


def task(number: int, **data: Any) -> dict[str, Any]:
    return {"id": number, "data": data, "annotations": [{"completed_by": 1, "result": [CHOICE]}]}


@pytest.mark.parametrize(
    "data",
    [
        {"recording": "rec/a.wav", "station": "north"},
        {"station": "b", "recording": "rec/a.wav"},  # no name of a recording, though b.wav is one
        {"url": "https://xeno-canto.org/123", "wav": "rec/a.wav"},
        {"url": "https://example.org/sites/b.html", "wav": "C:\\rec\\a.wav"},
        {"img": "/data/local-files/?d=rec%2Fa.wav", "note": "at St. Mary"},
        {"wav": "s3://bucket/rec/a.WAV", "mp3": "s3://bucket/rec/a-small.ogg"},
        {"file": "/data/upload/1/0a1b2c3d-a.wav", "again": "rec/a.wav"},
        {"recording": "rec/a", "station": "north"},
        {"audio": "rec/a", "station": "b"},
        {"audio": "rec/a", "reference": "rec/b.wav"},
        {"image": "spectrograms/b.tiff", "recording": "rec/a.wav"},
    ],
)
def test_the_file_of_a_task_may_have_any_key(layout: Any, data: dict[str, str]) -> None:
    layout.sound("rec/a.wav")
    layout.sound("rec/b.wav", seed=1)
    layout.write("export.json", [task(1, **data)])
    if data.get("recording") == "rec/a":  # neither a key nor an ending tells that it is a file
        with pytest.raises(InvalidInput, match=r"task 1: none of its texts names a file .* \(recording, station\)"):
            layout.read()
    else:
        seen = layout.read()
        assert ([each.path.name for each in seen.found], seen.skipped) == (["a.wav"], ())


def test_where_no_text_names_a_file_or_several_do_the_keys_are_told(layout: Any) -> None:
    layout.sound("a.wav")
    layout.sound("b.wav", seed=1)
    layout.write(
        "export.json",
        [
            task(1, near="a.wav", far="b.wav"),
            task(2, near="x.wav", far="y.wav"),
            task(3, wav="x.wav", station="b"),
            task(4, length=3),
            task(5, audio="x.wav", reference="b.wav"),
            task(6, audio="b.wav", reference="a.wav"),
        ],
    )
    seen = layout.read()
    assert [each.path.name for each in seen.found] == ["b.wav"]
    assert [each.reason for each in seen.skipped] == [
        "task 1: several of its texts name files (far, near)",
        "task 2: none of its texts names a file that is here (far, near)",
        "task 3: there is no file 'x.wav'",
        "task 4: the name of its file is missing",
        "task 5: there is no file 'x.wav'",
    ]


ROW = {"audio": "/data/upload/1/0a1b2c3d-a.wav", "id": 1, "choice": "owl", "annotator": 1, "annotation_id": 1}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("min.json", [{**ROW, "lead_time": 2.5}], "JSON-MIN"),
        ("all.csv", "audio,id,choice,annotator,annotation_id,lead_time\n/data/upload/1/a.wav,1,owl,1,1,2.5\n", "CSV"),
        ("all.tsv", "audio\tchoice\tannotation_id\tlead_time\n/data/upload/1/a.wav\towl\t1\t2.5\n", "TSV"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_an_export_that_is_not_the_whole_says_which_one_is_needed(
    layout: Any, name: str, content: Any, kind: str, named: bool
) -> None:
    layout.sound("night/a.wav")
    layout.write(name, content)
    for format in ("", "label-studio"):
        with pytest.raises(InvalidInput, match=f"{name} looks like Label Studio's {kind} export") as caught:
            layout.read(name if named else "", format=format)
        assert "export as JSON" in str(caught.value.hint)
    if not named:
        assert [each.label for each in layout.read(format="class-folders").found] == ["night"]
        layout.write("project.json", [task(1, audio="a.wav")])  # the whole one is there too
        assert [each.label for each in layout.read().found] == ["owl"]


def test_a_table_of_our_own_may_keep_columns_of_label_studio(layout: Any) -> None:
    layout.sound("a.wav")
    layout.write("t.csv", "path,label,annotator,annotation_id\na.wav,fox,1,1\n")
    assert [each.label for each in layout.read("t.csv").found] == ["fox"]
