"""Texts of the catalogue on their way to a model: data, cut to what a title needs."""

import unicodedata
from urllib.parse import urlsplit

MAX_TITLE, MAX_SENTENCE, MAX_URI = 160, 400, 500

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
"""Categories of what a reader does not see: controls, directions, tags, the unassigned."""

_BLANK = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
"""Letters and marks that show as nothing all the same: of Unicode's Default_Ignorable_Code_Point
what the categories above let through, such as variation selectors, and the empty Braille cell."""


def clean(text: str, limit: int = MAX_TITLE) -> str:
    """A text without what a reader does not see, on one line, and not longer than ``limit``.

    What nobody sees is a place to hide instructions in; what is longer than a title is none.
    """
    seen = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or _is_seen(character)
    )
    line = " ".join(seen.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _is_seen(character: str) -> bool:
    return character not in _BLANK and unicodedata.category(character) not in _UNSEEN


def web_address(uri: str) -> str | None:
    """An address that leads to the web, as it is; None for every other kind."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    is_plain = clean(uri, MAX_URI) == uri
    return uri if is_plain and parts.scheme in {"http", "https"} and parts.netloc else None
