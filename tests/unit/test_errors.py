"""What an error says: one line that a terminal can show, whatever it quotes."""

import pytest

from recsvc.errors import FaultyFileError, InputError, InvalidRequestError, one_line

FORGED = '\n{"event": "forged"}\r\x1b[2J\u2028\u202e\ud800'
ESCAPED = '{"event": "forged"} \\x1b[2J \\u202e\\ud800'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("events.csv: no column  'größe'", "events.csv: no column  'größe'"),
        ("one\n  thing", "one thing"),
        (FORGED, ESCAPED),
        ("\0", "\\x00"),
        ("", ""),
    ],
)
def test_a_text_is_one_line(text: str, line: str) -> None:
    """White space becomes a space, and what moves a terminal its escape."""
    assert one_line(text) == line


def test_what_an_error_quotes_stays_on_its_line() -> None:
    """A name from a file writes no line of its own, neither in a log nor on a terminal."""
    assert str(InputError(f"rules.json: {FORGED}")) == f"rules.json: {ESCAPED}"
    faulty = FaultyFileError(f"x: {FORGED}", [f"a: {FORGED}", "b: wrong"])
    assert (faulty.headline, faulty.faults) == (f"x: {ESCAPED}", (f"a: {ESCAPED}", "b: wrong"))
    assert str(faulty) == f"x: {ESCAPED}: a: {ESCAPED}; b: wrong"
    assert InvalidRequestError("brands[0]", FORGED).description == ESCAPED
