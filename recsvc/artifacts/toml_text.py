"""Reading TOML that somebody wrote; every defect is a ``ValueError`` of one line."""

import re
import tomllib
from typing import Any, Final

MAX_STEPS: Final = 100
"""Of a key such as ``a.b.c``, which has 3. The parser's time grows with their square."""

_LEAST: Final = -(2**63)
"""Of the whole numbers that TOML has."""

_BEFORE_A_KEY: Final = re.compile(r"[,{\[]")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none, is nested too deeply, or has a whole number beyond 64 bits.
    """
    for number, line in enumerate(text.splitlines(), 1):
        *before, last = line.split("=")  # keys stand before it, or make a heading
        keys = (_BEFORE_A_KEY.split(part)[-1] for part in before or [last])
        if any(key.count(".") >= MAX_STEPS for key in keys):
            raise ValueError(f"line {number}: a key has more than {MAX_STEPS} steps")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_numbers(document)
    return document


def _check_numbers(document: dict[str, Any]) -> None:
    """Refuse what TOML has no number for: of thousands of digits Python writes none down."""
    left: list[object] = [document]
    while left:
        match left.pop():
            case dict() as table:
                left += table.values()
            case list() as values:
                left += values
            case int() as number if not _LEAST <= number <= -_LEAST - 1:
                raise ValueError("a whole number is beyond the 64 bits that TOML has for one")
