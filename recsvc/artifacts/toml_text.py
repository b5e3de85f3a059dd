"""Reading TOML that somebody wrote; every defect is a ``ValueError`` of one line."""

import re
import tomllib
from typing import Any, Final

MAX_STEPS: Final = 100
"""Of a key such as ``a.b.c``, which has 3. The parser's time grows with their square."""

_BEFORE_A_KEY: Final = re.compile(r"[,{\[]")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none, is nested too deeply, or has a number of thousands of digits.
    """
    for number, line in enumerate(text.splitlines(), 1):
        *before, last = line.split("=")  # keys stand before it, or make a heading
        keys = (_BEFORE_A_KEY.split(part)[-1] for part in before or [last])
        if any(key.count(".") >= MAX_STEPS for key in keys):
            raise ValueError(f"line {number}: a key has more than {MAX_STEPS} steps")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
