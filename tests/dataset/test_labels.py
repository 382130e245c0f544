from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.labels import check_group, check_label, shown_name
from ecosight.errors import InvalidInput


@pytest.mark.parametrize("label", ["dog_bark", "Großer Hund", "犬", "كلب", "gun shot (far)", "x" * 64, "4"])
def test_letters_of_every_script_are_labels(label: str) -> None:
    assert check_label(label) == label


@pytest.mark.parametrize(
    "label",
    ["", "  ", "a/b", "a\\b", "..", ".", ".hidden", "a\nb", "a\x00b", "a\x1b[31m", "a\u202eb", "x" * 65, "-", " - "],
)
def test_paths_controls_and_overlong_names_are_no_labels(label: str) -> None:
    with pytest.raises(InvalidInput):
        check_label(label)


def test_two_spellings_of_one_label_become_one() -> None:
    assert check_label(unicodedata.normalize("NFD", " pájaro ")) == "pájaro"


def test_an_error_about_a_label_never_prints_its_control_characters() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_label("evil\x1b[2Jlabel")
    assert "\x1b" not in caught.value.message


def test_a_group_may_look_like_a_path() -> None:
    assert check_group(" site-3/2024-05 ") == "site-3/2024-05"


@given(st.text())
def test_a_shown_name_is_always_one_printable_part(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 255
    assert "/" not in shown
    assert "\\" not in shown
    assert not any(unicodedata.category(character) == "Cc" for character in shown)


def test_a_shown_name_drops_the_client_s_folders() -> None:
    assert shown_name("C:\\Users\\me\\..\\fox.wav") == shown_name("/etc/../fox.wav") == "fox.wav"
