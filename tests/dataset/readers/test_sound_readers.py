"""Sound layouts: what each table says arrives as one value for each clip."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.readers import Span
from ecosight.errors import InvalidInput


def test_esc50_gives_its_folds_and_the_recording_as_the_group(esc50: Any) -> None:
    seen = esc50.read()
    assert (seen.format, len(seen.found), len(seen.skipped)) == ("esc-50", 18, 0)
    assert {each.fold for each in seen.found} == {"1", "2", "3"}
    assert all(each.path.name == f"{each.fold}-{each.group}-{each.path.stem[-1]}.ogg" for each in seen.found)
    assert {each.label for each in seen.found} == {"dog_bark", "rain", "rooster"}
    assert esc50.read("meta/esc50.csv").found == seen.found  # the table alone names the same files


def test_urbansound_finds_a_clip_in_the_folder_of_its_fold(layout: Any) -> None:
    layout.sound("audio/fold1/100-3-0-0.wav")
    layout.sound("audio/fold2/200-1-0-0.wav")
    layout.write(
        "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100-3-0-0.wav,100,0.0,4.0,1,1,3,dog_bark\n"
        "200-1-0-0.wav,200,0.0,4.0,1,2,1,car_horn\n"
        "300-1-0-0.wav,300,0.0,4.0,1,2,1,car_horn\n",
    )
    seen = layout.read()
    assert seen.format == "urbansound8k"
    assert [(e.path.parent.name, e.label, e.group, e.fold, e.piece) for e in seen.found] == [
        ("fold1", "dog_bark", "100", "1", None),
        ("fold2", "car_horn", "200", "2", None),
    ]
    assert [each.reason for each in seen.skipped] == ["line 4: there is no file '300-1-0-0.wav'"]


def test_audioset_names_its_ontology_and_asks_which_of_several_labels_is_meant(layout: Any) -> None:
    layout.sound("-0RWZT-miFs.wav", 10)
    layout.sound("Yabcdefghijk.wav", 60)
    layout.sound("0123456789a_30.000_40.000.wav", 10)
    layout.write(
        "class_labels_indices.csv",
        'index,mid,display_name\n0,/m/0bt9lr,Dog\n1,/m/09x0r,Speech\n2,/m/07yv9,"Car, horn"\n',
    )
    layout.write(
        "eval_segments.csv",
        "# Segments csv created Sun Mar  5 10:54:25 2017\n"
        "# num_ytids=3, num_segs=3\n# YTID, start_seconds, end_seconds, positive_labels\n"
        '-0RWZT-miFs, 420.000, 430.000, "/m/0bt9lr,/m/09x0r"\n'
        'abcdefghijk, 5.000, 15.000, "/m/07yv9"\n'
        '0123456789a, 30.000, 40.000, "/m/0bt9lr"\n'
        'missing4567, 30.000, 40.000, "/m/0bt9lr"\n'
        'abcdefghijk, 5.000, 15.000, "/m/none"\n',
    )
    seen = layout.read()
    assert seen.format == "audioset"
    assert [(e.label, e.group, e.fold, e.span) for e in seen.found] == [
        ("Car, horn", "abcdefghijk", "eval_segments", Span(start_s=5, end_s=15, maybe_cut=True)),
        ("Dog", "0123456789a", "eval_segments", None),
    ]
    assert [each.reason for each in seen.skipped] == [
        "has 2 labels (Dog, Speech); --class names the wanted one",
        "line 7: there is no file for the id 'missing4567'",
        "line 8: the ontology has no class '/m/none'",
    ]
    assert {each.path.name for each in layout.read(classes=["Dog"]).found} == {
        "-0RWZT-miFs.wav",
        "0123456789a_30.000_40.000.wav",
    }


RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def test_raven_finds_the_recording_by_the_tables_name_and_each_selection_once(layout: Any) -> None:
    layout.sound("site1_20260501.wav")
    layout.write(
        "site1_20260501.Table.1.selections.txt",
        f"{RAVEN}\tSpecies\n"
        "1\tWaveform 1\t1\t0.25\t0.5\t100\t2000\twren\n"
        "1\tSpectrogram 1\t1\t0.25\t0.5\t100\t2000\twren\n"
        "2\tSpectrogram 1\t1\t0.6\t0.4\t100\t2000\twren\n"
        "3\tSpectrogram 1\t1\t0.6\t0.9\t100\t2000\t\n",
    )
    seen = layout.read()
    assert [(e.path.name, e.label, e.group, e.span) for e in seen.found] == [
        ("site1_20260501.wav", "wren", None, Span(start_s=0.25, end_s=0.5, low_hz=100, high_hz=2000))
    ]
    assert [each.reason for each in seen.skipped] == [
        "line 4: the span from 0.6 s to 0.4 s is no piece of a recording",
        "line 5: the column 'Species' is empty",
    ]


@pytest.mark.parametrize("ending", ["BirdNET.selection.table", "Table.1.selections", "selections", "BirdNET.results"])
def test_raven_finds_the_recording_by_the_names_that_tools_give_a_table(layout: Any, ending: str) -> None:
    layout.sound("site1_20260501.wav")
    layout.write(f"site1_20260501.{ending}.txt", f"{RAVEN}\tSpecies\n1\tWaveform 1\t1\t0.25\t0.5\t100\t2000\twren\n")
    assert [each.path.name for each in layout.read().found] == ["site1_20260501.wav"]


def test_raven_s_columns_may_be_written_in_lower_case(layout: Any) -> None:
    """As tables are that went through a data frame."""
    layout.sound("a.wav")
    layout.write("all.txt", f"{RAVEN}\tBegin File\tSpecies\n".lower() + "1\tS\t1\t0.25\t0.5\t100\t2000\ta.wav\twren\n")
    (found,) = layout.read().found
    assert (found.path.name, found.label) == ("a.wav", "wren")
    assert found.span == Span(start_s=0.25, end_s=0.5, low_hz=100, high_hz=2000)


def test_raven_counts_from_the_file_when_several_were_open(layout: Any) -> None:
    layout.sound("a.wav")
    layout.sound("b.wav")
    header = f"{RAVEN}\tBegin File\tFile Offset (s)\tmy label\n"
    layout.write(
        "both.txt", header + "1\tS\t1\t0.1\t0.2\t0\t900\ta.wav\t0.1\tfox\n2\tS\t1\t1.3\t1.5\t0\t900\tb.wav\t0.3\towl\n"
    )
    spans = [(each.path.name, each.label, each.span.start_s, round(each.span.end_s, 9)) for each in layout.read().found]
    assert spans == [("a.wav", "fox", 0.1, 0.2), ("b.wav", "owl", 0.3, 0.5)]


def test_raven_asks_for_the_label_where_two_columns_could_hold_it(layout: Any) -> None:
    layout.sound("a.wav")
    layout.write("a.selections.txt", f"{RAVEN}\tWho\tMood\n1\tS\t1\t0.1\t0.2\t0\t900\tfox\tangry\n")
    with pytest.raises(InvalidInput, match="which column holds the label") as caught:
        layout.read()
    assert "--label-column" in caught.value.hint
    assert layout.read(label_column="Mood").found[0].label == "angry"


def region(start: float, end: float, label: str) -> dict[str, Any]:
    return {"type": "labels", "value": {"start": start, "end": end, "channel": 0, "labels": [label]}}


def test_label_studio_finds_files_whose_names_hold_what_divides_an_address(layout: Any) -> None:
    names = ["take #1.wav", "what?.wav", "100%25.wav"]
    for at, name in enumerate(names):
        layout.sound(name, seed=at)
    told = [names[0], names[1], "/data/local-files/?d=100%2525.wav"]
    chosen = [{"completed_by": 1, "result": [{"type": "choices", "value": {"choices": ["rain"]}}]}]
    layout.write(
        "export.json", [{"id": at, "data": {"audio": each}, "annotations": chosen} for at, each in enumerate(told)]
    )
    seen = layout.read()
    assert ([each.path.name for each in seen.found], seen.skipped) == (names, ())


def test_label_studio_lets_the_majority_decide_and_counts_who_agrees(layout: Any) -> None:
    layout.sound("rec.wav", 3)
    layout.sound("clip.wav")

    def choice(*labels: str) -> dict[str, Any]:
        return {"type": "choices", "value": {"choices": list(labels)}}

    layout.write(
        "export.json",
        [
            {
                "id": 1,
                "data": {"audio": "/data/upload/1/0a1b2c3d-rec.wav"},
                "annotations": [
                    {"completed_by": 1, "result": [region(0.0, 1.0, "fox"), region(2.0, 2.5, "owl")]},
                    {"completed_by": 2, "result": [region(0.1, 1.1, "fox")]},
                    {"completed_by": {"id": 3}, "result": [region(0.05, 1.0, "dog")]},
                    {"completed_by": 4, "was_cancelled": True, "result": [region(0, 1, "cat")]},
                ],
            },
            {
                "id": 2,
                "data": {"audio": "/data/local-files/?d=clip.wav"},
                "annotations": [
                    {"completed_by": 1, "result": [choice("rain")]},
                    {"completed_by": 2, "result": [choice("wind")]},
                ],
            },
            {"id": 3, "data": {"audio": "clip.wav"}, "annotations": [{"completed_by": 1, "result": [choice("rain")]}]},
        ],
    )
    seen = layout.read()
    assert [(e.path.name, e.label, e.annotators, e.span and e.span.end_s) for e in seen.found] == [
        ("rec.wav", "fox", 2, 1.0),
        ("rec.wav", "owl", 1, 2.5),
        ("clip.wav", "rain", 1, None),
    ]
    assert [each.reason for each in seen.skipped] == ["task 2: the annotators do not agree (rain and wind, 1 each)"]


def test_a_csv_may_tell_more_about_each_file(layout: Any) -> None:
    layout.sound("a.wav", 3)
    layout.write(
        "t.csv",
        "path,label,station,captured_at,fold,annotators,start_s,end_s\n"
        "a.wav,fox,creek,2026-05-01T04:30:00+02:00,2,3,0.5,1\na.wav,owl,,,,,1,2\n",
    )
    fox, owl = layout.read("t.csv").found
    assert (fox.station, fox.fold, fox.annotators, fox.span) == ("creek", "2", 3, Span(start_s=0.5, end_s=1))
    assert fox.captured_at.isoformat() == "2026-05-01T02:30:00+00:00"
    assert (owl.station, owl.span) == (None, Span(start_s=1, end_s=2))


def test_label_studio_asks_which_of_several_controls_is_meant(layout: Any) -> None:
    layout.sound("a.wav")
    species, quality = (
        {"type": "choices", "from_name": name, "value": {"choices": [label]}}
        for name, label in (("species", "fox"), ("quality", "good"))
    )
    people = [
        {"completed_by": 1, "result": [species, quality]},
        {"completed_by": 2, "result": [quality, species]},
    ]
    bad = {"id": 2, "data": {"audio": "http://[x/a.wav"}, "annotations": [{"result": [species]}]}
    layout.write("a.json", [{"id": 1, "data": {"audio": "a.wav"}, "annotations": people}, bad])
    (found,) = layout.read(classes=["fox"]).found
    assert (found.label, found.annotators) == ("fox", 2)
    with pytest.raises(InvalidInput, match=r"has 2 labels \(fox, good\).*is neither a path nor an address"):
        layout.read()
