from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from dataset.reading import find_recordings, survey
from ecosight.errors import InvalidInput, NotFound

SOUNDS = frozenset({".wav", ".ogg"})


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def write_csv(folder: Path, text: str, name: str = "labels.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_the_first_folder_is_the_label_however_deep_the_file_lies(tmp_path: Path) -> None:
    make(tmp_path, "fox/1.wav", "fox/site/day/2.WAV", "owl/3.ogg")
    found = find_recordings(tmp_path, SOUNDS)
    assert [(each.path.name, each.label) for each in found] == [("1.wav", "fox"), ("2.WAV", "fox"), ("3.ogg", "owl")]


def test_nothing_is_passed_over_in_silence(tmp_path: Path) -> None:
    make(tmp_path, "fox/1.wav", "fox/.DS_Store", ".git/x.wav", "fox/notes.txt", "stray.wav")
    (tmp_path / "fox" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    skipped = {each.path.relative_to(tmp_path).as_posix(): each.reason for each in survey(tmp_path, SOUNDS).skipped}
    assert skipped == {
        ".git/x.wav": "hidden",
        "fox/.DS_Store": "hidden",
        "fox/gone.wav": "not a regular file, or a broken link",
        "fox/notes.txt": "not one of .ogg .wav",
        "stray.wav": "in no class folder",
    }


def test_links_are_followed_once_even_in_a_circle(tmp_path: Path) -> None:
    make(tmp_path / "real", "a.wav")
    source = tmp_path / "source"
    source.mkdir()
    (source / "fox").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(source)
    assert [each.label for each in find_recordings(source, SOUNDS)] == ["fox"]


def test_a_folder_without_class_folders_says_what_was_expected(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "2.wav")
    with pytest.raises(InvalidInput, match=r"no recordings in class folders \(2 other files\)"):
        survey(tmp_path, SOUNDS)
    with pytest.raises(NotFound):
        survey(tmp_path / "nowhere", SOUNDS)


def test_a_csv_names_files_labels_and_groups_relative_to_itself(tmp_path: Path) -> None:
    make(tmp_path, "audio/1.wav", "audio/2.bin", "meta/x")
    source = write_csv(
        tmp_path / "meta",
        "\ufefflabel, path ,group,fold\nfox,../audio/1.wav,night 1,2\n  owl ,../audio/2.bin,,2\n",
    )
    found = find_recordings(source, SOUNDS)
    assert [(each.path.resolve(), each.label, each.group) for each in found] == [
        (tmp_path / "audio/1.wav", "fox", "night 1"),
        (tmp_path / "audio/2.bin", "owl", None),  # named by the user: content decides, not the ending
    ]


def test_every_bad_row_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "2.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    rows = ["path,label", "1.wav,fox", "gone.wav,fox", "2.wav,", ",fox", "2.wav,a/b", "1.wav,owl", "pipe.wav,fox"]
    with pytest.raises(InvalidInput) as caught:
        find_recordings(write_csv(tmp_path, "\n".join([*rows, "2.wav,fox,extra"])), SOUNDS)
    told = caught.value.message
    assert caught.value.context["fault_count"] == 7
    for sentence in (
        "line 3: there is no file 'gone.wav'",
        "line 4: the label '' is empty",
        "line 5: no path",
        "line 6: the label 'a/b' looks like a path",
        "line 7: '1.wav' has another label or group in line 2",
        "line 8: there is no file 'pipe.wav'",
        "line 9: more fields than columns",
    ):
        assert sentence in told


def test_a_thousand_bad_rows_are_counted_and_twenty_shown(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        find_recordings(write_csv(tmp_path, "path,label\n" + "gone.wav,fox\n" * 1000), SOUNDS)
    assert caught.value.message.count("line ") == 20
    assert "and 980 more" in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,label\n1.wav,fox\n", "no column path"),
        ("", "no column path and no column label"),
        ("path,label\n", "names no files"),
        ('path,label\n"1.wav,fox\n', "line 2"),
    ],
)
def test_a_csv_that_is_none_says_why(tmp_path: Path, text: str, told: str) -> None:
    make(tmp_path, "1.wav")
    with pytest.raises(InvalidInput, match=told):
        find_recordings(write_csv(tmp_path, text), SOUNDS)


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_csv_with_semicolons_or_tabs_is_told_that_commas_are_meant(tmp_path: Path, sign: str, name: str) -> None:
    make(tmp_path, "1.wav")
    with pytest.raises(InvalidInput, match="no column path") as caught:
        find_recordings(write_csv(tmp_path, f"path{sign}label\n1.wav{sign}fox\n"), SOUNDS)
    assert name in caught.value.hint


def test_a_csv_in_another_encoding_says_so(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes("path,label\n1.wav,Fuchsrüde\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="not UTF-8"):
        find_recordings(tmp_path / "l.csv", SOUNDS)


def test_a_file_named_twice_with_one_label_is_read_once(tmp_path: Path) -> None:
    make(tmp_path, "1.wav")
    assert len(find_recordings(write_csv(tmp_path, "path,label\n1.wav,fox\n./1.wav,fox\n"), SOUNDS)) == 1


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("station", "north south"),
        ("fold", "1 2"),
        ("captured_at", "2026-05-01T04:30Z 2026-05-02T04:30Z"),
        ("annotators", "1 3"),
    ],
)
def test_a_file_of_which_two_rows_say_different_things_is_told(tmp_path: Path, column: str, values: str) -> None:
    make(tmp_path, "1.wav")
    one, two = values.split()
    with pytest.raises(InvalidInput, match=r"line 3: './1.wav' has another station, fold, time or number in line 2"):
        find_recordings(write_csv(tmp_path, f"path,label,{column}\n1.wav,fox,{one}\n./1.wav,fox,{two}\n"), SOUNDS)
    same = write_csv(tmp_path, f"path,label,{column}\n1.wav,fox,{one}\n./1.wav,fox,{one}\n")
    assert len(find_recordings(same, SOUNDS)) == 1


def test_a_csv_s_station_is_composed_and_one_with_control_characters_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.wav").touch()
    source = tmp_path / "l.csv"
    source.write_text(f"path,label,station\n1.wav,fox,{unicodedata.normalize('NFD', 'forêt')}\n", "utf-8")
    assert find_recordings(source, {".wav"})[0].station == "forêt"
    source.write_text("path,label,station\n1.wav,fox,\x1b[31mred\n", "utf-8")
    with pytest.raises(InvalidInput, match=r"line 2: the station .* holds control"):
        find_recordings(source, {".wav"})
