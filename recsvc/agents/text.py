"""Texts of the catalogue on their way to a model: data, cut to what a title needs."""

import unicodedata
from urllib.parse import urlsplit

MAX_TITLE, MAX_SENTENCE, MAX_URI = 160, 400, 500

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
"""Categories of what a reader does not see: controls, directions, tags, the unassigned."""


def clean(text: str, limit: int = MAX_TITLE) -> str:
    """A text without what a reader does not see, on one line, and not longer than ``limit``.

    What nobody sees is a place to hide instructions in; what is longer than a title is none.
    """
    seen = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in _UNSEEN
    )
    line = " ".join(seen.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def web_address(uri: str) -> str | None:
    """An address that leads to the web, as it is; None for every other kind."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    is_plain = clean(uri, MAX_URI) == uri
    return uri if is_plain and parts.scheme in {"http", "https"} and parts.netloc else None
