"""Texts of the catalogue are data, and are cut to it."""

import pytest

from recsvc.agents.text import MAX_TITLE, clean, web_address


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Rye bread", "Rye bread"),
        ("  two\n\nlines\tand a tab ", "two lines and a tab"),
        ("\x1b[31mred\x00\x07", "[31mred"),
        ("a\u200bb\u202ec\u2066d\ufeff", "abcd"),
        ("hid" + "".join(chr(0xE0000 + ord(c)) for c in "den"), "hid"),
        ("Käse 🧀 — ½ kg", "Käse 🧀 — ½ kg"),
        ("\ud800x\ue000", "x"),
        ("a\U000e0100b\U000e01efc\ufe01d\u034fe", "abcde"),
        ("a\u3164\u115f\u1160\uffa0\u17b4\u180b\u180f\u2800b", "ab"),
        ("\u115e\u1161\u2801\u0350\ufe10\u3165", "\u115e\u1161\u2801\u0350\ufe10\u3165"),
    ],
)
def test_what_a_reader_does_not_see_is_taken_out(text: str, seen: str) -> None:
    """Controls, directions, zero widths, tags, selectors, fillers: places to hide instructions."""
    assert clean(text) == seen


def test_what_is_longer_than_a_title_is_cut() -> None:
    """Visibly, and to the limit."""
    assert clean("x" * MAX_TITLE) == "x" * MAX_TITLE
    assert clean("word " * 100, 10) == "word word…"


@pytest.mark.parametrize(
    ("uri", "is_kept"),
    [
        ("https://shop.example/p/1?x=y", True),
        ("http://shop.example", True),
        ("javascript:alert(1)", False),
        ("data:text/html,hello", False),
        ("https://", False),
        ("https://shop.example/a b\n", False),
        ("https://[broken", False),
        ("https://shop.example/" + "x" * 500, False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_are_passed_on(uri: str, is_kept: bool) -> None:  # noqa: FBT001  # a case
    """As they are, or not at all."""
    assert web_address(uri) == (uri if is_kept else None)
